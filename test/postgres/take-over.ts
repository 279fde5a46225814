// One of two gateways that share a PostgreSQL is killed with 200 tasks under way, and the other finishes them all. Run by run.sh.
import { expect } from "chai";
import { ask, type Outcome } from "../outlive/client.ts";
import { startGateway, type Gateway } from "../outlive/gateway.ts";
import { unfinished } from "../outlive/judge.ts";
import { pictureOf, type Wish } from "../outlive/load.ts";
import { startProvider, type Provider } from "../outlive/provider.ts";
import { inFolder } from "../process/serve-process.ts";
import { startPostgres, type PostgresServer } from "./server.ts";

const tasks = 200;

/** Tasks that are under way when the gateway is killed: a third are jobs, the others have a client that waits under a key. */
const wishes: Wish[] = Array.from({ length: tasks }, (_, index) => ({
  id: `walrus-0-${index}-end`,
  name: "key",
  isJob: index % 3 === 0,
  streams: false,
  model: "task",
  asks: "b64_json",
  gets: index % 2 === 0 ? "base64" : "url",
  begins: 0,
  takes: 20_000,
  isRefused: false,
  seen: { orders: 0, polls: 0, finished: false },
}));

describe("two gateways on one postgresql", () => {
  let server: PostgresServer;
  let provider: Provider;
  before(async () => {
    server = await startPostgres();
    provider = await startProvider();
  });
  after(async () => {
    provider.close();
    await server.close();
  });

  it("finish each other's tasks, and order nothing again", () =>
    inFolder((startFirst, folder) =>
      inFolder(async (startSecond, otherFolder) => {
        const postgres = await server.database();
        const shared = { provider: provider.url, workers: 0, postgres };
        const first = await startGateway({ ...shared, folder, startProcess: startFirst });
        // What was asked for and made is in a store that both have.
        const env = { PICTOR_DATA: first.data };
        let polled = 0;
        provider.expect(wishes, (event) => (polled += Number(event === "polled")));
        let gateway: Gateway = first;
        const clients = wishes.map((wish): Promise<Outcome> => ask(wish, { url: () => gateway.url, key: gateway.key, longest: 120_000 }));
        while (!wishes.every(({ seen }) => seen.polls > 0)) await new Promise((resolve) => setTimeout(resolve, 50));
        gateway = await startGateway({ ...shared, folder: otherFolder, startProcess: startSecond, env });
        await first.kill();
        const outcomes = await Promise.all(clients);
        expect(outcomes.map(({ picture }, index) => picture?.equals(pictureOf(wishes[index]?.id ?? "")))).to.deep.equal(
          wishes.map(() => true),
        );
        expect(wishes.map(({ seen }) => seen.orders)).to.deep.equal(wishes.map(() => 1));
        expect(await unfinished(gateway)).to.deep.equal([]);
        expect(polled).to.be.greaterThan(tasks);
      }),
    )).timeout(180_000);
});
