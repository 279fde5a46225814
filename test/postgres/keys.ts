// Keys at run time in gateways that share a PostgreSQL. Run by run.sh.
import { comesAndGoes } from "../process/run-time-keys.ts";
import { startPostgres, type PostgresServer } from "./server.ts";

describe("keys at run time on postgresql", () => {
  let server: PostgresServer;
  before(async () => (server = await startPostgres()));
  after(() => server.close());

  it("come and go in every process of every gateway", async () => comesAndGoes({ DATABASE_URL: await server.database() }));
});
