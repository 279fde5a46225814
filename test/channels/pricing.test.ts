// What a channel says of its prices, and what its presets and models make of it.
import { expect } from "chai";
import { channel, load, problemsIn, makeFolder, lineOf } from "./mistakes.ts";

/** The pricing of the model m, whose channel has these lines beside those of the plain one, or in another's place. */
async function pricingOf(more: string, change: [from: string, to: string] = ["", ""]) {
  const { routes } = await load({ "x.yaml": `${channel.replace(...change)}${more}` }, { X_API_KEY: "k" });
  return routes[0]!.pricing;
}

const price = "price: [{ bill: output_image, usd: 0.04 }]\n";

describe("the pricing of a model", () => {
  it("is unknown where nothing is said", async () => {
    const { lines, ...rest } = await pricingOf("");
    expect(lines).to.equal(undefined);
    expect(rest).to.deep.equal({ chargesRefusals: false, isPriced: false });
  });

  it("is the channel's", async () => {
    const { lines, isPriced, chargesRefusals } = await pricingOf(`${price}charges_refusals: true\n`);
    expect({ isPriced, chargesRefusals }).to.deep.equal({ isPriced: true, chargesRefusals: true });
    expect(lines?.beforehand({ n: 2 })).to.deep.equal({ lowest: 80_000_000, highest: 80_000_000 });
  });

  it("is a model's own in place of the channel's", async () => {
    const { lines } = await pricingOf(price, ["  m:\n", "  m: { price: [{ bill: request, usd: 1 }] }\n"]);
    expect(lines?.beforehand({ n: 2 })).to.deep.equal({ lowest: 1_000_000_000, highest: 1_000_000_000 });
  });

  it("is taken away by null", async () => {
    const { isPriced } = await pricingOf(price, ["  m:\n", "  m: { price: null }\n"]);
    expect(isPriced).to.equal(false);
  });

  it("is unknown where only what goes in is billed", async () => {
    const { isPriced } = await pricingOf("price: [{ bill: input_image, usd: 0.01 }]\n");
    expect(isPriced).to.equal(false);
  });

  it("is known where the provider says the cost itself", async () => {
    const { isPriced } = await pricingOf("    cost: ${body.cost}\n");
    expect(isPriced).to.equal(true);
  });

  it("is judged with its line and column", async () => {
    const folder = await makeFolder({ "x.yaml": `${channel}price: [{ bill: output_image, usd_per_million: 4 }]\n` });
    expect((await problemsIn(folder)).map(lineOf)).to.deep.equal([
      "channels/x.yaml:16:48: price.usd_per_million: it is for tokens; write the price of one output_image as usd",
    ]);
  });
});
