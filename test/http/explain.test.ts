// The explanation of a request that is not ordered.
import { expect } from "chai";
import { png, errorOf, startHouse, type House } from "./setup.ts";

const acme = `
description: A provider of these tests.
extends: openai-images
base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
models: { demo: {} }
variables: { account: "\${env.ACME_API_KEY}-account" }
price: [{ bill: output_image, usd: 0.04 }]
generate: { request: { headers: { x-account: "\${variables.account}" } } }
plugins: [{ size-map: { sizes: [1024x1024], otherwise: nearest } }]
`;

interface Explained {
  object: string;
  model: string;
  operation: string;
  channels: {
    channel: string;
    changes: object[];
    cost: object;
    refused?: { code: string };
    requests?: { url: string; headers: object; body: object }[];
  }[];
}

describe("http: explain", () => {
  let house: House;
  before(async () => {
    house = await startHouse(undefined, { adminKey: "the-operator", ownKey: () => own }, { "acme.yaml": acme });
  });
  after(() => house.close());
  beforeEach(() => {
    own = undefined;
    house.reset();
  });
  let own: string | undefined;

  const ask = (key: string, body: object) =>
    fetch(`${house.url}/v1/images/explain`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const explained = async (key: string, body: object) => {
    const response = await ask(key, body);
    expect(response.status).to.equal(200);
    return (await response.json()) as Explained;
  };
  const request = { model: "demo", prompt: "a cat", size: "16:9" };

  it("says changes and cost to a client, and nothing of the provider's request", async () => {
    const { channels, ...rest } = await explained(house.key, request);
    expect(rest).to.deep.equal({ object: "image.explanation", model: "demo", operation: "generate", n: 1 });
    expect(channels).to.deep.equal([
      {
        channel: "acme",
        changes: [{ field: "size", from: "16:9", to: "1024x1024" }],
        cost: { lowest: 0.04, highest: 0.04 },
      },
    ]);
    expect(house.provider.calls).to.deep.equal([]);
  });

  it("shows the provider's exact request to the operator, with the key masked", async () => {
    const { channels } = await explained("the-operator", request);
    const [sent] = channels[0]!.requests!;
    expect(sent!.url).to.equal(`${house.provider.url}/images/generations`);
    expect(sent!.headers).to.include({ authorization: "Bearer ***", "x-account": "***" });
    expect(sent!.body).to.include({ prompt: "a cat", size: "1024x1024" });
    expect(JSON.stringify(channels)).not.to.include("acme-secret");
  });

  it("shows it also to the one who was given the key that the gateway made", async () => {
    own = house.key;
    expect((await explained(house.key, request)).channels[0]!.requests).to.have.length(1);
    own = "another";
    expect((await explained(house.key, request)).channels[0]!.requests).to.equal(undefined);
  });

  it("takes the images of an edit", async () => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model: "demo", prompt: "a cat" })) form.append(name, value);
    form.append("image[]", new Blob([png], { type: "image/png" }), "cat.png");
    const response = await fetch(`${house.url}/v1/images/explain`, {
      method: "POST",
      headers: { authorization: `Bearer the-operator` },
      body: form,
    });
    const { operation, channels } = (await response.json()) as Explained;
    expect(operation).to.equal("edit");
    expect(JSON.stringify(channels[0]!.requests![0]!.body)).to.include(`"bytes":${png.length}`);
  });

  it("says why a request cannot be sent, and refuses one that the model does not take", async () => {
    await errorOf(await ask(house.key, { ...request, n: 99 }), 400, "integer_above_max_value", "n");
    await errorOf(await ask(house.key, { ...request, model: "none" }), 404, "model_not_found", "model");
    await errorOf(await ask("nobody", request), 401, "invalid_api_key");
  });

  it("lets the operator read what there is, and order nothing", async () => {
    const headers = { authorization: "Bearer the-operator" };
    for (const path of ["models", "models/demo", "models/demo/schema", "models/matrix"])
      expect((await fetch(`${house.url}/v1/${path}`, { headers })).status, path).to.equal(200);
    for (const path of ["images/generations", "images/edits"])
      await errorOf(await fetch(`${house.url}/v1/${path}`, { method: "POST", headers }), 401, "invalid_api_key");
  });
});
