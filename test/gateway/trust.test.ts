// Tests whose URLs may lead to private addresses: never a client's, and a provider's only where its channel says so.
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";

const picture = solidPng(8, 8);

describe("a URL that leads to a private address", () => {
  let provider: Provider;
  let other: Provider;
  let stranger: Provider;
  let gateway: TestGateway;
  let leadsTo = "";
  let given = "";
  const fetched: string[] = [];
  const serve = (name: string) =>
    httpProvider((request, response) => {
      request.resume();
      if (request.method === "POST") return void response.end(JSON.stringify({ data: [{ url: given }] }));
      fetched.push(name);
      return void response.end(picture);
    });

  before(async () => {
    provider = await serve("provider");
    other = await serve("other");
    stranger = await httpProvider((request, response) => {
      request.resume();
      response.writeHead(302, { location: leadsTo }).end();
    });
    const channel = (hosts: string) =>
      `extends: openai-images\nbase_url: ${provider.url}\ntrusted_hosts: [${hosts}]\nmodels: { demo: {} }\nplugins: [image-inputs]\n`;
    gateway = await gatewayWith(
      { "shop.yaml": channel(`"localhost:${other.port}"`) },
      {},
      { isWeb: ({ origin }) => origin === stranger.url },
    );
  });
  after(async () => {
    await gateway.close();
    for (const server of [provider, other, stranger]) await server.close();
  });
  beforeEach(() => fetched.splice(0));

  const edit = (fields: object) => draw(gateway, { model: "demo", prompt: "a hat", ...fields });

  const places: [string, () => string][] = [
    ["at the channel's own origin", () => `${provider.url}/view?filename=somebody-elses.png`],
    ["at a host that the channel trusts", () => `http://localhost:${other.port}/a.png`],
    ["at another port of the channel's own host", () => `http://127.0.0.1:${other.port}/a.png`],
    ["in an IPv6 address that holds an IPv4 one", () => `http://[::7f00:1]:${provider.port}/a.png`],
  ];
  for (const [where, url] of places) {
    it(`is refused to a client ${where}`, async () => {
      const { status, json } = await edit({ image: url() });
      expect([status, json.error.code, json.error.param], json.error.message).to.deep.equal([400, "invalid_image_file", "image"]);
      expect(json.error.message).to.contain("only public ones are fetched");
      expect(fetched).to.deep.equal([]);
    });

    it(`is refused to a client where a stranger's URL redirects there, ${where}`, async () => {
      leadsTo = url();
      const { status, json } = await edit({ image: picture.toString("base64"), mask: `${stranger.url}/mask.png` });
      expect([status, json.error.code, json.error.param], json.error.message).to.deep.equal([400, "invalid_image_file", "mask"]);
      expect(fetched).to.deep.equal([]);
    });
  }

  it("is fetched for a provider at its own origin, and at the host and port that its channel trusts", async () => {
    for (const [name, url] of [
      ["provider", `${provider.url}/1.png`],
      ["other", `http://localhost:${other.port}/1.png`],
    ] as const) {
      given = url;
      expect((await edit({ response_format: "b64_json" })).status).to.equal(200);
      expect(fetched.splice(0)).to.deep.equal([name]);
    }
  });

  it("is not fetched for a provider at another port of a trusted host, nor where a stranger's redirect leads", async () => {
    for (const url of [`http://localhost:${provider.port}/1.png`, `${stranger.url}/1.png`]) {
      [given, leadsTo] = [url, `${provider.url}/1.png`];
      const { status, json } = await edit({ response_format: "b64_json" });
      expect([status, json.error.code]).to.deep.equal([502, "bad_upstream_response"]);
      expect(fetched).to.deep.equal([]);
    }
  });
});
