// Budgets of keys that are added while the gateway runs.
import { expect } from "chai";
import { startKeysHouse, type KeysHouse } from "./keys-house.ts";
import { errorOf, withMore } from "./setup.ts";

describe("http: budgets of keys at run time", () => {
  let house: KeysHouse;
  before(async () => (house = await startKeysHouse("", withMore("price: [{ bill: output_image, usd: 1 }]\n"))));
  after(() => house.close());

  const keyIn = async (answer: Response) => ((await answer.json()) as { key: string }).key;
  const ask = (key: string) =>
    house.generate({ model: "demo", prompt: "a cat", response_format: "url" }, { headers: { authorization: `Bearer ${key}` } });
  const statusesOf = async (key: string, times: number) => {
    const statuses: number[] = [];
    for (let time = 0; time < times; time += 1) {
      const answer = await ask(key);
      await answer.arrayBuffer();
      statuses.push(answer.status);
    }
    return statuses;
  };

  it("hold, are the client's whichever key it has, and can be changed", async () => {
    const first = await keyIn(await house.admin("POST", "", { name: "shop", budget: { usd: 2, per: "total" } }));
    expect(await statusesOf(first, 2)).to.deep.equal([200, 200]);
    await errorOf(await ask(first), 429, "insufficient_quota");
    // Another key of the same name is no new budget, also where the first was revoked.
    const second = await keyIn(await house.admin("POST", "/shop/rotate"));
    expect(await statusesOf(second, 1)).to.deep.equal([429]);
    await house.admin("DELETE", "/shop");
    const third = await keyIn(await house.admin("POST", "", { name: "shop", budget: [{ usd: 3, per: "total" }] }));
    expect(await statusesOf(third, 2)).to.deep.equal([200, 429]);
    await house.admin("PATCH", "/shop", { budget: null });
    expect(await statusesOf(third, 1)).to.deep.equal([200]);
  });

  it("let no more through than they have, when many ask at once", async () => {
    const key = await keyIn(await house.admin("POST", "", { name: "crowd", budget: { usd: 5, per: "day" } }));
    const answers = await Promise.all(Array.from({ length: 20 }, () => house.statusOf(key)));
    expect(answers.filter((status) => status === 200)).to.have.length(5);
    expect(answers.filter((status) => status === 429)).to.have.length(15);
  });

  it("are judged as in the file", async () => {
    const add = (budget: unknown) => house.admin("POST", "", { name: "other", budget });
    await errorOf(await add({ usd: 5, per: "week" }), 400, "invalid_value", "budget");
    await errorOf(await add({ usd: -5, per: "day" }), 400, "invalid_value", "budget");
    const twice = [
      { usd: 5, per: "day" },
      { usd: 6, per: "day" },
    ];
    const { message } = await errorOf(await add(twice), 400, "invalid_value", "budget");
    expect(message).to.match(/^budget\.per: day stands here a second time/);
  });
});
