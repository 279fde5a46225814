// The budgets of keys in gateway.yaml.
import { expect } from "chai";
import { ConfigError } from "../../src/errors.ts";
import { parseGatewayFile } from "../../src/process/gateway-file.ts";

const env = { A_KEY: "sk-a", B_KEY: "sk-b", C_KEY: "sk-c" };
const read = (text: string) => parseGatewayFile("gateway.yaml", Buffer.from(text), env, undefined);

/** Every mistake of a file, with its place. */
function mistakes(text: string): string[] {
  try {
    read(text);
    return [];
  } catch (error) {
    return (error as ConfigError).problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
  }
}

describe("gateway.yaml: budgets", () => {
  it("bound what a key may spend", () => {
    const { clients } = read(`keys:
  - { name: a, key: "\${env.A_KEY}", budget: { usd: 0.04, per: total }, unpriced: refuse }
  - { name: b, key: "\${env.B_KEY}", budget: [{ usd: 50, per: month }, { usd: 5, per: day }] }
  - { name: c, key: "\${env.C_KEY}", unpriced: pass }
`);
    expect(clients.map(({ client }) => [client.budgets, client.refusesUnpriced])).to.deep.equal([
      [[{ per: "total", nanos: 40_000_000 }], true],
      [
        [
          { per: "month", nanos: 50_000_000_000 },
          { per: "day", nanos: 5_000_000_000 },
        ],
        false,
      ],
      [undefined, false],
    ]);
  });

  it("are refused at their place where they are none", () => {
    expect(
      mistakes(`keys:
  - { name: a, key: "\${env.A_KEY}", budget: 50, unpriced: maybe }
  - { name: b, key: "\${env.B_KEY}", budget: { usd: 50, per: week } }
  - { name: c, key: "\${env.C_KEY}", budget: [{ usd: -1, per: day }, { per: month }] }
`),
    ).to.deep.equal([
      "gateway.yaml:2:45: keys.budget: must be a map or a list, not 50",
      'gateway.yaml:2:59: keys.unpriced: unknown value "maybe" (known: pass, refuse)',
      'gateway.yaml:3:61: keys.budget.per: unknown value "week" (known: day, month, total)',
      "gateway.yaml:4:53: keys.budget.usd: must be >= 0, not -1",
      "gateway.yaml:4:69: keys.budget: usd is missing",
    ]);
  });

  it("are refused where two are for one period", () => {
    expect(mistakes(`keys: [{ name: a, key: "\${env.A_KEY}", budget: [{ usd: 5, per: day }, { usd: 6, per: day }] }]\n`)).to.deep.equal([
      "gateway.yaml:1:86: keys.budget.per: day stands here a second time; a period has one budget",
    ]);
  });
});
