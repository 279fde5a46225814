// Clients that read a picture more slowly than its provider sends it.
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { createSpool } from "../../src/picture/spool.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { until } from "./setup.ts";

const megabyte = 1024 * 1024;
/** More than all sockets between a provider and a client hold. */
const picture = Buffer.concat([solidPng(64, 64), Buffer.alloc(14 * megabyte, "what a picture is made of")]);
const base64 = picture.toString("base64");
const json = Buffer.from(`{"data":[{"b64_json":"${base64}"}],"usage":{"total_tokens":3}}`);

const places = 4;
const channel = (name: string, more: string) => `
description: A provider of these tests.
extends: openai-images
base_url: \${env.PROVIDER_BASE_URL}
models: { ${name}: { schema: dall-e-2 } }
plugins: [response-format]
${more}`;

interface Images {
  data: { b64_json: string }[];
  usage?: object;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of buffers that somebody holds. */
function inUse(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

describe("http: a client that reads slowly", () => {
  let provider: Provider;
  let gateway: TestGateway;
  let root: string;
  let folder: string;
  /** Answers that the provider has sent to their ends. */
  let sent: number;
  /** Runs before the provider answers. */
  let ordered: () => Promise<void>;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "pictor-slow-"));
    folder = join(root, "tmp");
    provider = await httpProvider((request, response) => {
      const isPicture = request.url === "/cat.png";
      const whole = isPicture ? picture : request.url?.startsWith("/links") ? `{"data":[{"url":"${provider.url}/cat.png"}]}` : json;
      response.once("finish", () => (sent += 1));
      void ordered().then(() => response.writeHead(200, { "content-type": isPicture ? "image/png" : "application/json" }).end(whole));
    });
    const few = channel("few", `limits: { concurrency: ${places} }`);
    const links = channel("links", "").replace("BASE_URL}", "BASE_URL}/links");
    gateway = await gatewayWith(
      { "few.yaml": few, "links.yaml": links },
      { PROVIDER_BASE_URL: provider.url },
      { spool: createSpool({ folder, memory: places * megabyte }) },
    );
  });

  beforeEach(async () => {
    sent = 0;
    ordered = () => Promise.resolve();
    await rm(folder, { recursive: true, force: true });
  });

  after(async () => {
    await gateway.close();
    await provider.close();
    await rm(root, { recursive: true });
  });

  /** An answer whose body waits to be read. */
  const order = (model: string, more: object = {}) =>
    fetch(`${gateway.url}/v1/images/generations`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: "a cat", response_format: "b64_json", ...more }),
    });

  const orderAll = (model: string) => Promise.all(Array.from({ length: places }, () => order(model)));

  async function isWhole(response: Response): Promise<void> {
    const { data, usage } = (await response.json()) as Images;
    expect(data.map(({ b64_json }) => b64_json === base64)).to.deep.equal([true]);
    expect(usage).to.deep.equal({ total_tokens: 3 });
  }

  const files = () => readdir(folder).catch(() => undefined);
  const held = () => gateway.gateway.routing.limits.inFlight("few");

  it("gives its place and its share of memory back once the provider has sent all, and gets the picture whole", async () => {
    await isWhole(await order("few"));
    const before = inUse();
    const slow = await orderAll("few");
    await isWhole(await order("few"));
    await until(() => held() === 0);
    expect(sent).to.equal(places + 2);
    // The last pieces are on their way to the disk.
    await until(() => inUse() - before < base64.length, "the memory is given back");
    for (const response of slow) await isWhole(response);
    await until(async () => (await files())?.length === 0);
  });

  it("keeps no picture on disk while it reads as fast as the provider sends", async () => {
    await isWhole(await order("few"));
    expect((await files()) ?? []).to.deep.equal([]);
  });

  it("gets the picture whole where nothing can be put on disk, and keeps its place as long", async () => {
    // Orders are refused where the disk is known to be gone, so it goes while both are under way.
    let arrived = 0;
    const gone = new Promise<void>((resolve) => {
      ordered = async () => {
        arrived += 1;
        if (arrived < 2) return gone;
        await rm(folder, { recursive: true, force: true });
        await writeFile(folder, "where a folder should be");
        resolve();
      };
    });
    const [slow, other] = await Promise.all([order("few"), order("few")]);
    await isWhole(other);
    expect(held()).to.equal(1);
    await isWhole(slow);
    await until(() => held() === 0);
  });

  it("does not keep a server waiting that a picture is downloaded from, also where it wants events", async () => {
    const slow = await Promise.all([order("links"), order("links", { stream: true })]);
    await until(() => sent === 4);
    const { data } = (await slow[0].json()) as Images;
    expect(data.map(({ b64_json }) => b64_json === base64)).to.deep.equal([true]);
    expect((await slow[1].text()).includes(`"b64_json":"${base64}"`)).to.equal(true);
  });

  it("leaves no file behind when it hangs up", async () => {
    const slow = await order("few");
    await until(async () => (await files())?.length === 1);
    await slow.body?.cancel();
    await until(async () => (await files())?.length === 0);
    await until(() => held() === 0);
  });
});
