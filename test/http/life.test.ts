import { expect } from "chai";
import OpenAI from "openai";
import { createRouting } from "../../src/gateway/routing.ts";
import { createTable } from "../../src/gateway/table.ts";
import { explain } from "../../src/cli/explain.ts";
import { status } from "../../src/cli/status.ts";
import { solidPng } from "../../src/picture/png.ts";
import { greet } from "../../src/process/greet.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { startMock, type Mock } from "../../src/testing/mock.ts";
import { inProcess } from "../cli/commands.ts";
import { channelFolder, loadFiles } from "../helpers/channels.ts";
import { errorOf, metric } from "./setup.ts";

const acme = `extends: openai-images
base_url: \${env.ACME_URL}
models:
  old: { schema: demo, deprecated: 2026-06-01, retires: 2026-12-01, instead: new }
  new: { schema: demo }
  kept: { schema: demo, retired: 2026-05-12, enabled: true }
`;

const other = `extends: openai-images\nbase_url: \${env.ACME_URL}\npriority: 1\nmodels: { old: { schema: demo } }\n`;

const picture: Parameters<Mock["play"]>[0] = [
  { expect: { post: "/images/generations" }, reply: { json: { created: 1, data: [{ b64_json: solidPng(8, 8).toString("base64") }] } } },
];

interface Model {
  id: string;
  object: string;
  created: number;
  owned_by: string;
  shutdown_date?: string;
  type: string;
}

describe("http: the life of a model", () => {
  let mock: Mock;
  let gateway: TestGateway;
  let now: number;
  before(async () => {
    mock = await startMock();
  });
  after(() => mock.close());
  beforeEach(() => {
    now = Date.parse("2026-11-30T23:59:00Z");
  });
  afterEach(() => gateway.close());

  async function start(files: Record<string, string> = { "acme.yaml": acme }, fallback: Record<string, string[]> = {}) {
    const table = createTable(await loadFiles(files, { ACME_URL: mock.url }), { fallback });
    gateway = await startGateway({ table: () => table, routing: createRouting({ date: () => now }), adminKey: "sk-operator" });
    return table;
  }
  const ask = (path: string, body?: object) =>
    fetch(`${gateway.url}${path}`, {
      ...(body && { method: "POST", body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
    });
  const draw = (more: object = {}) => ask("/v1/images/generations", { model: "old", prompt: "a cat", ...more });

  it("is told in the list, as OpenAI's client reads it", async () => {
    await start();
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key });
    const { data } = (await client.models.list()) as unknown as { data: Model[] };
    expect(data.map(({ id, shutdown_date }) => [id, shutdown_date])).to.deep.equal([
      ["old", "2026-12-01"],
      ["new", undefined],
      ["kept", "2026-05-12"],
    ]);
    const one = (await client.models.retrieve("old")) as unknown as Model;
    expect(one).to.include({ id: "old", object: "model", owned_by: "acme", type: "image", shutdown_date: "2026-12-01" });
    expect(one.created).to.equal(data[0]!.created);
  });

  it("is told in headers of answers, of errors, and of streams", async () => {
    await start();
    const heads = async (response: Response) => {
      await response.text();
      return [response.status, response.headers.get("deprecation"), response.headers.get("sunset")];
    };
    const told = ["@1780272000", "Tue, 01 Dec 2026 00:00:00 GMT"];
    mock.play(picture);
    expect(await heads(await draw())).to.deep.equal([200, ...told]);
    mock.play(picture);
    expect(await heads(await draw({ stream: true }))).to.deep.equal([200, ...told]);
    expect(await heads(await draw({ n: 99 }))).to.deep.equal([400, ...told]);
    mock.play(picture);
    expect(await heads(await draw({ model: "new" }))).to.deep.equal([200, null, null]);
  });

  it("ends while the gateway runs, and the answer names the successor", async () => {
    const table = await start();
    mock.play(picture);
    expect((await draw()).status).to.equal(200);
    now = Date.parse("2026-12-01T00:00:00Z");
    const { message } = await errorOf(await draw(), 404, "model_not_found", "model");
    expect(message).to.equal("the model old was shut down by its provider on 2026-12-01; use new");
    await errorOf(await ask("/v1/models/old"), 404, "model_not_found", "model");
    const { data } = (await (await ask("/v1/models")).json()) as { data: Model[] };
    expect(data.map(({ id }) => id)).to.deep.equal(["new", "kept"]);
    const { components } = (await (await ask("/openapi.json")).json()) as { components: { schemas: object } };
    expect(components.schemas).to.have.property("model-new");
    expect(components.schemas).not.to.have.property("model-old");

    const lines: string[] = [];
    const inForce = { table, file: { off: [], webhooksOff: [] }, problems: [], broken: [] } as unknown as Parameters<typeof greet>[2];
    greet((line) => void lines.push(line), gateway.url, inForce, { now });
    expect(lines[0]).to.equal("channel acme is on: new, kept");
    expect(lines.at(-1)).to.include('"model":"new"');
  });

  it("goes on where the operator keeps the model on", async () => {
    await start();
    mock.play(picture);
    expect((await draw({ model: "kept" })).status).to.equal(200);
  });

  it("lasts as long as one channel has the model, and the others are not asked", async () => {
    await start({ "acme.yaml": acme, "other.yaml": other });
    const channelOf = async () => {
      mock.play(picture);
      const response = await draw();
      return [response.status, response.headers.get("x-pictor-channel"), response.headers.get("sunset")];
    };
    expect(await channelOf()).to.deep.equal([200, "acme", null]);
    now = Date.parse("2026-12-02");
    expect(await channelOf()).to.deep.equal([200, "other", null]);
  });

  it("is followed by the models that the operator lets stand in", async () => {
    await start({ "acme.yaml": acme }, { old: ["new"] });
    now = Date.parse("2026-12-02");
    mock.play(picture);
    const response = await draw();
    expect([response.status, response.headers.get("x-pictor-changes")]).to.deep.equal([200, "model=old>new"]);
    expect(mock.complaints()).to.deep.equal([]);
    await errorOf(await ask("/v1/models/old"), 404, "model_not_found", "model");
    await gateway.close();
    await start({ "acme.yaml": acme }, { new: ["kept"], old: ["old"] });
    await errorOf(await draw(), 404, "model_not_found", "model");
  });

  it("leaves a gateway with nothing else not ready", async () => {
    await start({ "acme.yaml": acme.replace(/ {2}(new|kept):.*\n/g, "") });
    expect((await ask("/readyz")).status).to.equal(200);
    now = Date.parse("2026-12-02");
    expect((await ask("/readyz")).status).to.equal(503);
  });

  it("is told to the operator by metric, status and explain", async () => {
    await start();
    const line = (model: string) => metric(gateway.url, `pictor_model_retires_timestamp_seconds{channel="acme",model="${model}"}`);
    const told = async () => (await inProcess((say) => status(gateway.url, { now }, { PICTOR_ADMIN_KEY: "sk-operator" }, say))).out;
    const kept = "kept was shut down by its provider on 2026-05-12";
    expect([await line("old"), await line("new"), await line("kept")]).to.deep.equal([1796083200, undefined, 1778544000]);
    expect(await told()).to.equal(`ready\non  acme: old is shut down by its provider on 2026-12-01; use new, ${kept}\n`);
    now = Date.parse("2026-12-02");
    expect([await line("old"), await line("kept")]).to.deep.equal([undefined, 1778544000]);
    expect(await told()).to.equal(`ready\non  acme: ${kept}\n`);

    const { folder, remove } = await channelFolder({ "acme.yaml": acme });
    try {
      const { out } = await inProcess((say) => explain("old", {}, { now }, { env: { PICTOR_CHANNELS: folder, ACME_URL: mock.url }, say }));
      expect(out).to.include("channel acme (off: the model was shut down by its provider on 2026-12-01; use new)");
    } finally {
      await remove();
    }
  });
});
