import { text } from "node:stream/consumers";
import { expect } from "chai";
import type { Gateway } from "../../src/http/gateway.ts";
import { dial, errorOf, png, startHouse, wire, type House } from "./setup.ts";

const here = "https://app.example";
const elsewhere = "https://evil.example";

async function withHouse(parts: Partial<Gateway>, run: (house: House) => Promise<void>): Promise<void> {
  const house = await startHouse(undefined, parts);
  try {
    await run(house);
  } finally {
    await house.close();
  }
}

function preflight({ url }: House, origin: string): Promise<Response> {
  return fetch(`${url}/v1/images/generations`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type" },
  });
}

const corsHeaders = (response: Response) => [...response.headers.keys()].filter((name) => name.startsWith("access-control"));

describe("http: calls from browsers", () => {
  it("are not allowed unless the operator names origins", () =>
    withHouse({}, async (house) => {
      const asked = await preflight(house, here);
      expect(corsHeaders(asked)).to.deep.equal([]);
      await errorOf(asked, 401, "invalid_api_key");
      const answered = await house.generate({ model: "demo", prompt: "a cat" }, { headers: { origin: here } });
      expect(answered.status).to.equal(200);
      expect(corsHeaders(answered)).to.deep.equal([]);
    }));

  it("are allowed from a listed origin, asked for without a key", () =>
    withHouse({ corsOrigins: ["https://other.example", here] }, async (house) => {
      const asked = await preflight(house, here);
      expect(asked.status).to.equal(204);
      expect(asked.headers.get("access-control-allow-origin")).to.equal(here);
      expect(asked.headers.get("access-control-allow-methods")).to.include("POST");
      expect(asked.headers.get("access-control-allow-headers")).to.equal("authorization,content-type");
      expect(asked.headers.get("vary")).to.match(/origin/i);
      expect(asked.headers.get("x-request-id")).to.match(/^req_/);
      const answered = await house.generate({ model: "demo", prompt: "a cat" }, { headers: { origin: here } });
      expect(answered.headers.get("access-control-allow-origin")).to.equal(here);
      expect(answered.headers.get("access-control-expose-headers")?.toLowerCase()).to.include("x-pictor-changes");
      expect(answered.headers.get("access-control-allow-credentials")).to.equal(null);
      expect(answered.status).to.equal(200);
    }));

  it("may read errors too", () =>
    withHouse({ corsOrigins: [here] }, async (house) => {
      const refused = await house.generate({ model: "nothing" }, { headers: { origin: here } });
      expect(refused.headers.get("access-control-allow-origin")).to.equal(here);
      await errorOf(refused, 404, "model_not_found", "model");
      const stranger = await fetch(`${house.url}/v1/models`, { headers: { origin: here } });
      expect(stranger.headers.get("access-control-allow-origin")).to.equal(here);
      await errorOf(stranger, 401, "invalid_api_key");
    }));

  it("are not allowed from an origin that is not listed, nor from one that begins like a listed one", () =>
    withHouse({ corsOrigins: [here] }, async (house) => {
      for (const origin of [elsewhere, `${here}.evil.example`, "null"]) {
        const asked = await preflight(house, origin);
        expect(corsHeaders(asked), origin).to.deep.equal([]);
        await errorOf(asked, 401, "invalid_api_key");
      }
    }));

  it("are allowed from everywhere with *", () =>
    withHouse({ corsOrigins: ["*"] }, async (house) => {
      const asked = await preflight(house, elsewhere);
      expect(asked.status).to.equal(204);
      expect(asked.headers.get("access-control-allow-origin")).to.equal("*");
    }));
});

describe("http: where stored pictures are said to be", () => {
  const forwarded = { "x-forwarded-host": "images.example", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9" };
  const urls = async (house: House, headers: Record<string, string>) => {
    const response = await house.generate({ model: "demo", prompt: "a cat", n: 2, response_format: "url" }, { headers });
    const { data } = (await response.json()) as { data: { url: string }[] };
    return data.map(({ url }) => url);
  };
  const base64 = png.toString("base64");
  const asBase64: Parameters<typeof startHouse>[0] = (_, response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ data: [{ b64_json: base64 }, { b64_json: base64 }] }));

  for (const [sentence, parts, begins] of [
    ["the request's own host, whatever X-Forwarded-* says", {}, undefined],
    ["what a trusted proxy says", { trustProxy: true }, "https://images.example/images/"],
    [
      "the operator's public URL before all",
      { trustProxy: true, publicUrl: "https://cdn.example/pictor" },
      "https://cdn.example/pictor/images/",
    ],
  ] as const) {
    it(`is ${sentence}`, async () => {
      const house = await startHouse(asBase64, parts);
      try {
        const found = await urls(house, forwarded);
        expect(found).to.have.length(2);
        for (const url of found) expect(url.slice(0, -32)).to.equal(begins ?? `${house.url}/images/`);
        const description = (await (await fetch(`${house.url}/openapi.json`, { headers: forwarded })).json()) as {
          servers: { url: string }[];
        };
        expect(`${description.servers[0]!.url}/images/`).to.equal(begins ?? `${house.url}/images/`);
      } finally {
        await house.close();
      }
    });
  }

  it("is the address that was dialled where HTTP/1.0 names no host", async () => {
    const house = await startHouse(asBase64);
    try {
      const socket = await dial(house.url);
      const body = JSON.stringify({ model: "demo", prompt: "a cat", n: 2, response_format: "url" });
      socket.write(wire("/v1/images/generations", house.key, body).replace("HTTP/1.1\r\nhost: gateway", "HTTP/1.0"));
      expect(await text(socket)).to.include(`"url":"${house.url}/images/`);
    } finally {
      await house.close();
    }
  });
});
