// Tests that calls and downloads go through the environment's proxy, and lead to no private address that way either.
import { once } from "node:events";
import type { LookupFunction } from "node:net";
import { expect } from "chai";
import { createAgents } from "../../src/net/agents.ts";
import { solidPng } from "../../src/picture/png.ts";
import { channelsWith, inFolder, urlOf } from "../process/serve-process.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";
import { all, failure, fetchPicture, quick } from "./picture-server.ts";
import { proxyServer, type ProxyServer } from "./proxy-server.ts";

const picture = solidPng(8, 8);
const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/** Run with these variables in the environment, and no others of proxies. */
async function withEnvironment<T>(env: Record<string, string>, run: () => Promise<T>): Promise<T> {
  const before = process.env;
  const others = Object.entries(before).filter(([name]) => !names.includes(name.toUpperCase()));
  process.env = { ...Object.fromEntries(others), ...env };
  try {
    return await run();
  } finally {
    process.env = before;
  }
}

describe("the environment's proxy", () => {
  let provider: Provider;
  let proxy: ProxyServer;
  const hosts: (string | undefined)[] = [];
  let way: Parameters<typeof proxyServer>[0];
  const answering =
    (...addresses: string[]): LookupFunction =>
    (_, options, callback) =>
      setImmediate(() => {
        const list = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
        if (options.all) callback(null, list);
        else callback(null, list[0]!.address, list[0]!.family);
      });

  before(async () => {
    provider = await httpProvider((request, response) => {
      request.resume();
      hosts.push(request.headers.host);
      if (request.method === "POST") response.end(JSON.stringify({ data: [{ url: `http://${request.headers.host}/1.png` }] }));
      else response.end(picture);
    });
  });
  after(() => provider.close());
  beforeEach(async () => {
    hosts.splice(0);
    way = () => ({ port: provider.port });
    proxy = await proxyServer((target) => way(target));
  });
  afterEach(() => proxy.close());

  it("gets a picture for us, by the address that was judged and the name that was asked for", async () => {
    await withEnvironment({ HTTP_PROXY: proxy.url }, async () => {
      const lookup = answering("2606:4700::1111", "93.184.216.34");
      expect(await all(await fetchPicture("http://pictures.test/a.png", { lookup }))).to.deep.equal(picture);
    });
    expect(proxy.asked).to.deep.equal(["93.184.216.34:80"]);
    expect(proxy.credentials).to.deep.equal([`Basic ${Buffer.from("user:p@ss").toString("base64")}`]);
    expect(hosts).to.deep.equal(["pictures.test"]);
  });

  it("is told the judged address of an https URL, while the name is in the TLS greeting", async () => {
    way = () => "nowhere";
    const { kind } = await withEnvironment({ all_proxy: proxy.url }, () =>
      failure(fetchPicture("https://pictures.test/a.png", { lookup: answering("93.184.216.34") })),
    );
    expect(kind).to.equal("failed");
    expect(proxy.asked).to.include("93.184.216.34:443");
    expect((await proxy.first).includes("pictures.test")).to.equal(true);
  });

  it("is never asked for a private address, nor for a name behind which there is one", async () => {
    await withEnvironment({ ALL_PROXY: proxy.url }, async () => {
      for (const url of ["http://10.0.0.1/a.png", "https://169.254.169.254/a", "http://[fd00::1]/", `http://127.0.0.1:${provider.port}/`])
        expect((await failure(fetchPicture(url))).message, url).to.contain("not public");
      for (const addresses of [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
        expect((await failure(fetchPicture("https://pictures.test/", { lookup: answering(...addresses) }))).message).to.contain(
          "not public",
        );
    });
    expect(proxy.asked).to.deep.equal([]);
  });

  it("is passed by for what NO_PROXY names, and for this machine itself", async () => {
    await withEnvironment({ HTTP_PROXY: proxy.url, NO_PROXY: `.near.test, far.test:${provider.port}` }, async () => {
      const options = { lookup: answering("127.0.0.1") };
      const get = (host: string) => fetchPicture(`http://${host}:${provider.port}/a.png`, options, { trusted: () => true }).then(all);
      for (const host of ["a.near.test", "far.test", "localhost", "127.0.0.1"]) expect(await get(host)).to.deep.equal(picture);
      expect(proxy.asked).to.deep.equal([]);
      expect(await get("near.test")).to.deep.equal(picture);
      expect(proxy.asked).to.deep.equal([`near.test:${provider.port}`]);
    });
  });

  it("keeps a tunnel for the next request", async () => {
    await withEnvironment({ HTTP_PROXY: proxy.url }, async () => {
      const agents = createAgents({ keepAlive: true });
      const { get } = await import("node:http");
      for (let times = 0; times < 2; times += 1) {
        const [response] = (await once(get("http://pictures.test/", { agent: agents.http }), "response")) as [NodeJS.ReadableStream];
        await once(response.resume(), "end");
        await new Promise((resolve) => setImmediate(resolve));
      }
      agents.http.destroy();
    });
    expect(proxy.asked).to.deep.equal(["pictures.test:80"]);
  });

  it("fails a download when it refuses, without what it said", async () => {
    way = () => ({ status: 407 });
    const { kind, message } = await withEnvironment({ HTTP_PROXY: proxy.url }, () =>
      failure(fetchPicture("http://pictures.test/", { ...quick, lookup: answering("93.184.216.34") })),
    );
    expect([kind, message]).to.deep.equal(["failed", "the picture could not be downloaded through the proxy"]);
  });

  it("is used for providers, and its refusal or silence proves that nothing was made", async () => {
    way = (target) => ({ "refused.test:80": { status: 403 }, "good.test:80": { port: provider.port } })[target];
    const channel = (name: string, priority: number) =>
      `extends: openai-images\nbase_url: http://${name}.test\npriority: ${priority}\nmodels: { demo: {} }\nlimits: { connect: 100ms }\n`;
    const files = Object.fromEntries(["refused", "silent", "good"].map((name, index) => [`${name}.yaml`, channel(name, index)]));
    await inFolder(async (start, folder) => {
      const env = { ...(await channelsWith(folder, files)), HTTP_PROXY: proxy.url, PICTOR_API_KEYS: "k", LOG_LEVEL: "silent" };
      const url = await urlOf(start(env));
      const { status, headers, json } = await draw({ url, key: "k" }, { model: "demo", prompt: "x", response_format: "b64_json" });
      expect(status).to.equal(200);
      expect(headers.get("x-pictor-attempts")).to.equal("refused failed, silent timeout, good ok");
      expect(json.data[0]?.b64_json).to.equal(picture.toString("base64"));
    });
    expect(new Set(hosts)).to.deep.equal(new Set(["good.test"]));
    expect(new Set(proxy.asked)).to.deep.equal(new Set(["refused.test:80", "silent.test:80", "good.test:80"]));
  });
});
