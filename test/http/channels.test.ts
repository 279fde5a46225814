// The channels as the operator is shown them.
import { expect } from "chai";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, png, reply, until, withMore } from "./setup.ts";

interface Listed {
  data: { name: string; state: string; in_flight: number; models: Record<string, unknown>[] }[];
  problems: string[];
}

describe("http: the operator's list of channels", () => {
  let house: DurableHouse;
  let config: ReturnType<NonNullable<DurableHouse["gateway"]["config"]>> = { broken: [] };
  before(async () => {
    house = await startDurableHouse(withMore("price: [{ bill: output_image, usd: 0.04 }]"), {
      adminKey: "the-operator",
      config: () => config,
    });
  });
  after(() => house.close());

  const list = async () => {
    const response = await fetch(`${house.url}/admin/channels`, { headers: { authorization: "Bearer the-operator" } });
    expect(response.status).to.equal(200);
    return (await response.json()) as Listed;
  };

  it("has each model with its price, and how its requests ended", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: png.toString("base64") }] });
    await house.generate({ model: "demo", prompt: "a cat" });
    house.handler = (_call, response) => reply(response, { error: { message: "out of order" } }, 400);
    await house.generate({ model: "demo", prompt: "a dog" });
    await until(async () => (await house.ledger.outcomes(0))[0]?.failed === 1);
    const { data, problems } = await list();
    expect(problems).to.deep.equal([]);
    const [acme] = data;
    expect(acme).to.include({ name: "acme", state: "on", in_flight: 0 });
    const { seconds, ...demo } = acme!.models.find(({ id }) => id === "demo")!;
    expect(seconds).to.be.a("number");
    expect(demo).to.deep.equal({
      ...{ id: "demo", operations: ["generate", "edit"], completed: 1, failed: 1 },
      price: { lowest: 0.04, highest: 0.04 },
    });
    expect(acme!.models.find(({ id }) => id === "acme/cat-1")).to.include({ completed: 0, failed: 0 });
  });

  it("has what is wrong in the operator's files", async () => {
    config = { broken: [], reload: { ok: false, problems: ["acme.yaml:3:1 is wrong"] } } as unknown as typeof config;
    expect((await list()).problems).to.deep.equal(["acme.yaml:3:1 is wrong"]);
  });

  it("is for the operator alone", async () => {
    const response = await fetch(`${house.url}/admin/channels`, { headers: { authorization: `Bearer ${house.key}` } });
    await errorOf(response, 401, "invalid_api_key");
  });
});
