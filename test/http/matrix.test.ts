import { expect } from "chai";
import { createAjv } from "../../src/schema/ajv.ts";
import type { MatrixRow } from "../../src/gateway/matrix.ts";
import { matrixRow } from "../../src/http/openapi-shapes.ts";
import { errorOf, startHouse, type House } from "./setup.ts";

describe("http: the matrix of models", () => {
  let house: House;
  let rows: Map<string, MatrixRow>;
  const get = (path: string, key = house.key) => fetch(`${house.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
  before(async () => {
    house = await startHouse(
      undefined,
      {},
      {
        "acme.yaml": `extends: openai-images
base_url: \${env.ACME_BASE_URL}
models:
  gpt-image-2: { deprecated: 2026-06-01, retires: 2999-12-01, instead: newcomer }
  dall-e-2: { edit: { request: { multipart: { mask: null, background: null } } }, generate: { stream: null }, plugins: [output-format] }
  newcomer: { schema: open, price: [{ bill: output_image, usd: 0.04, when: quality == "high" }, { bill: output_image, usd: 0.01 }] }
`,
        "bare.yaml": `base_url: \${env.ACME_BASE_URL}
priority: 1
models: { gpt-image-2: {} }
generate: { request: { post: /draw, json: { prompt: "\${request.prompt}" } }, result: { images: "\${body.data}", url: "\${image.url}", cost: "\${body.cost}" } }
`,
      },
    );
    const { object, data } = (await (await get("/v1/models/matrix")).json()) as { object: string; data: MatrixRow[] };
    expect(object).to.equal("list");
    rows = new Map(data.map((row) => [row.id, row]));
  });
  after(() => house.close());

  it("has one row a model, over all channels that serve it", () => {
    expect([...rows.keys()]).to.deep.equal(["gpt-image-2", "dall-e-2", "newcomer"]);
    const { size, fields, ...row } = rows.get("gpt-image-2")!;
    expect(row).to.deep.equal({
      id: "gpt-image-2",
      channels: [
        { name: "acme", price: null, deprecated: "2026-06-01", shutdown_date: "2999-12-01" },
        { name: "bare", price: { words: "in the provider's answer", units: [] } },
      ],
      operations: ["generate", "edit"],
      input_images: 16,
      mask: true,
      n: { min: 1, max: 10 },
      qualities: ["auto", "low", "medium", "high"],
      formats: ["png", "jpeg", "webp"],
      backgrounds: ["auto", "transparent", "opaque"],
      prompt: 32000,
      streams: true,
      instead: "newcomer",
    });
    expect(size.values).to.include("16:9");
    expect(size.pixels).to.include({ max_side: 3840 });
    expect(size.words).to.match(/^one of auto, .* or WxH with /);
    expect(fields).to.be.an("array");
  });

  it("says what a channel leaves out, and what its plugins make up for", () => {
    expect(rows.get("dall-e-2")).to.deep.include({
      input_images: 1,
      mask: false,
      formats: ["png", "jpeg", "webp"],
      size: { words: "one of 256x256, 512x512, 1024x1024", values: ["256x256", "512x512", "1024x1024"], default: "1024x1024" },
    });
  });

  it("says of a model that nobody described that its limits are unknown, and limits nothing", () => {
    const row = rows.get("newcomer")!;
    expect(row).to.include({ limits: "unknown", mask: true });
    expect(row).not.to.have.any.keys("backgrounds", "qualities", "prompt");
    expect(row.size).to.deep.equal({ words: "any" });
  });

  it("says what each channel takes, in words and numbers", () => {
    expect(rows.get("newcomer")?.channels).to.deep.equal([
      {
        name: "acme",
        price: { words: "0.01 to 0.04 USD a picture", units: [{ bill: "output_image", per: 1, lowest: 0.01, highest: 0.04 }] },
      },
    ]);
  });

  it("answers the question which models take a mask and a transparent background", () => {
    const found = [...rows.values()].filter(({ mask, backgrounds }) => mask && backgrounds?.includes("transparent"));
    expect(found.map(({ id }) => id)).to.deep.equal(["gpt-image-2"]);
  });

  it("is as its description says", () => {
    const validate = createAjv().compile({ ...matrixRow, additionalProperties: false });
    for (const row of rows.values()) expect(validate(row), JSON.stringify(validate.errors)).to.equal(true);
  });

  it("is for clients alone", async () => {
    await errorOf(await get("/v1/models/matrix", "wrong"), 401, "invalid_api_key");
    expect((await get("/models/matrix")).status).to.equal(200);
  });
});
