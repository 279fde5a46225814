// Jobs for which another model stands in, as for any other request.
import { expect } from "chai";
import { createTable, type Table } from "../../src/gateway/table.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { png, reply } from "./setup.ts";

describe("http: a job whose model cannot serve it", () => {
  let house: DurableHouse;
  let fallback: string[] = [];
  before(async () => {
    house = await startDurableHouse();
    const { channels, models } = house.gateway.table();
    const routes = [...models.values()].flatMap((entry) => entry.routes);
    house.gateway.table = (): Table => createTable({ channels, routes }, { fallback: { demo: fallback } });
    house.handler = (call, response) => {
      if (call.body.includes("cat-1")) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
      else reply(response, { error: { message: "no such model", code: "model_not_found" } }, 404);
    };
  });
  after(() => house.close());

  interface Shown {
    status: string;
    result?: { metadata?: { pictor?: { changes?: object[] } } };
  }
  const order = async (body: object): Promise<Shown> => {
    const response = await house.generate(body, { headers: { prefer: "respond-async, wait=20" } });
    return (await response.json()) as Shown;
  };
  const edit = async (): Promise<Shown> => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: "demo", prompt: "a cat", async: "true" })) form.append(name, value);
    form.append("image", new Blob([png], { type: "image/png" }), "cat.png");
    const headers = { authorization: `Bearer ${house.key}`, prefer: "wait=20" };
    return (await (await fetch(`${house.url}/v1/images/edits`, { method: "POST", headers, body: form })).json()) as Shown;
  };
  const standIn = { field: "model", from: "demo", to: "acme/cat-1" };

  it("is served by one that takes it, with its images, and says so", async () => {
    fallback = ["nowhere", "acme/cat-1"];
    for (const job of [await order({ model: "demo", prompt: "a cat" }), await edit()]) {
      expect(job.status).to.equal("completed");
      expect(job.result?.metadata?.pictor?.changes).to.deep.include(standIn);
    }
    const [call] = house.provider.calls.filter(({ path }) => path.endsWith("/edits")).slice(-1);
    expect(call?.body).to.include("cat-1").and.to.include("IHDR");
  });

  it("is not where its fields are not that model's, its key may not use it, or the operator names none", async () => {
    fallback = ["acme/cat-1"];
    const none = async (body: object = {}) => (await order({ model: "demo", prompt: "a cat", ...body })).status;
    const results = [await none({ prompt: "x".repeat(1500) })];
    house.clients.set(house.key, { allows: (model) => model === "demo" });
    results.push(await none());
    house.clients.clear();
    fallback = [];
    results.push(await none());
    expect(results).to.deep.equal(["failed", "failed", "failed"]);
  });
});
