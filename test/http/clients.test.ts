import { expect } from "chai";
import { allowsOnly, unlimitedClient, type Client } from "../../src/gateway/client.ts";
import { createClientKeys, hashOf } from "../../src/http/client-keys.ts";
import { errorOf, startHouse, type House } from "./setup.ts";

const client = (name: string, more: Partial<Client> = {}) => ({
  hash: hashOf(`sk-${name}`),
  client: { ...unlimitedClient(name, name), ...more },
});

describe("http: what a client may do", () => {
  let house: House;
  before(async () => {
    const clients = [
      client("narrow", { allows: allowsOnly(["demo", "acme/o*"]) }),
      client("over", { expires: Date.parse("2020-01-31T00:00:00Z") }),
      client("soon", { expires: Date.now() + 3_600_000 }),
    ];
    house = await startHouse(undefined, { keys: createClientKeys(["sk-test"], clients) });
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
  const idsFor = async (key: string) => {
    const { data } = (await (await fetch(`${house.url}/v1/models`, as(key))).json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };

  it("sees the models that its key may use, and no others", async () => {
    expect(await idsFor("sk-test")).to.deep.equal(["demo", "acme/cat-1", "acme/open"]);
    expect(await idsFor("sk-narrow")).to.deep.equal(["demo", "acme/open"]);
    for (const path of ["demo", "demo/schema", "acme/open"])
      expect((await fetch(`${house.url}/v1/models/${path}`, as("sk-narrow"))).status).to.equal(200);
    for (const path of ["acme/cat-1", "acme/cat-1/schema"]) {
      const { type } = await errorOf(await fetch(`${house.url}/v1/models/${path}`, as("sk-narrow")), 403, "model_not_allowed", "model");
      expect(type).to.equal("permission_error");
    }
  });

  it("is refused another model before any provider is asked, and is named in the log", async () => {
    const refused = await house.generate({ model: "acme/cat-1", prompt: "a cat" }, as("sk-narrow"));
    const { message } = await errorOf(refused, 403, "model_not_allowed", "model");
    expect(message).to.equal("this API key may not use the model acme/cat-1; GET /v1/models lists those it may use");
    await errorOf(await house.generate({ model: "acme/dog", prompt: "a cat" }, as("sk-narrow")), 404, "model_not_found", "model");
    expect(house.provider.calls).to.have.length(0);
    expect((await house.generate({ model: "demo", prompt: "a cat" }, as("sk-narrow"))).status).to.equal(200);
    expect(house.log.map(({ client: name }) => name)).to.deep.equal(["narrow", "narrow", "narrow"]);
  });

  it("is told when its key has expired", async () => {
    const { message } = await errorOf(await fetch(`${house.url}/v1/models`, as("sk-over")), 401, "invalid_api_key");
    expect(message).to.equal("the API key expired at 2020-01-31T00:00:00.000Z; ask the operator for a new one");
    expect((await fetch(`${house.url}/v1/models`, as("sk-soon"))).status).to.equal(200);
  });
});
