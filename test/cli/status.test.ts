import { expect } from "chai";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { status, type StatusOptions } from "../../src/cli/status.ts";
import { ProviderFailure } from "../../src/errors.ts";
import { candidatesOf } from "../../src/gateway/candidate.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { createTable } from "../../src/gateway/table.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { channel, load } from "../channels/mistakes.ts";
import { processes } from "../helpers/processes.ts";
import { inProcess, pictor } from "./commands.ts";

const adminKey = "sk-operator";

/** Run with the operator's key, as it stands in the environment. */
const run = (url: string, options: StatusOptions = {}, env: Record<string, string> = { PICTOR_ADMIN_KEY: `\u200b${adminKey}\n` }) =>
  inProcess((say) => status(url, options, env, say));

describe("pictor status", () => {
  /** A gateway with one channel that is off, and one that is on where it has a key. */
  async function startWith(env: Record<string, string>): Promise<TestGateway> {
    const table = createTable(await load({ "off.yaml": channel.replace("X_API_KEY", "ACME_KEY"), "on.yaml": channel }, env));
    return startGateway({ table: () => table, adminKey });
  }

  it("says which channels of a running gateway are on, and why others are off", async () => {
    const gateway = await startWith({ X_API_KEY: "k" });
    try {
      const out = "ready\noff off: ACME_KEY or OFF_API_KEY is not set\non  on\n";
      expect(await run(`${gateway.url}/`)).to.deep.equal({ code: 0, out, err: "" });
      const { store, ...answer } = JSON.parse((await run(gateway.url, { json: true })).out) as Record<string, unknown>;
      expect(store).to.have.keys("writable", "free_bytes");
      expect(answer).to.deep.equal({
        status: "ready",
        config: "ok",
        channels: [
          { name: "off", state: "off", reason: "ACME_KEY or OFF_API_KEY is not set" },
          { name: "on", state: "on" },
        ],
      });
      expect(await pictor(["status", "--url", gateway.url], { CI: "true", PICTOR_ADMIN_KEY: adminKey })).to.deep.equal({
        code: 0,
        out,
        err: "",
      });
    } finally {
      await gateway.close();
    }
  });

  it("says what rests, and for how long", async () => {
    const table = createTable(await load({ "on.yaml": channel }, { X_API_KEY: "k" }));
    const [routing, other] = processes(2).map((state) => createRouting({ now: () => 1, state }));
    const gateway = await startGateway({ table: () => table, routing: routing!, adminKey });
    try {
      const [candidate] = candidatesOf([...table.models.values()][0]!.routes[0]!);
      for (const { health } of [routing!, other!])
        for (const [kind, status] of [
          ["rate_limit", 429],
          ["auth", 401],
          ["failed", undefined],
        ] as const)
          health.ended(candidate!, health.began(candidate!), new ProviderFailure(kind, "no", { status, notAccepted: true, retryAfter: 7 }));
      expect((await run(gateway.url)).out).to.equal(
        "ready\nresting on: channel rests for 7 s, key 1 rests for 7 s, key 1 for m rests for 7 s\n",
      );
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      expect(metrics).to.contain('pictor_cooldown_seconds{channel="on",what="key 1 for m"} 7\n');
      expect(metrics).to.contain('pictor_channel_in_flight{channel="on"} 0\n');
      expect(metrics).not.to.match(/^pictor_redis_up /m);

      expect(await run(gateway.url, { clear: "no" })).to.deep.equal({ code: 1, out: "", err: "there is no channel no (known: on)" });
      expect((await run(gateway.url, { clear: "on" })).out).to.equal("the cool-downs of on are lifted\nready\non  on\n");
      expect(await (await fetch(`${gateway.url}/metrics`)).text()).not.to.contain("pictor_cooldown_seconds{");
      expect(other!.health.coolDowns()).to.deep.equal([]);
    } finally {
      await gateway.close();
    }
  });

  it("tells names and states without the operator's key, and neither reasons nor cool-downs", async () => {
    const gateway = await startWith({ X_API_KEY: "k" });
    try {
      const said = "ready\noff off\non  on\nset PICTOR_ADMIN_KEY, here and where the gateway runs, to be told the reasons\n";
      expect((await run(gateway.url, {}, {})).out).to.equal(said);
      expect((await run(gateway.url, {}, { PICTOR_ADMIN_KEY: gateway.key })).out).to.not.include("ACME_KEY");
      const { store, ...body } = (await (await fetch(`${gateway.url}/readyz`)).json()) as Record<string, unknown>;
      expect(store).to.have.keys("writable", "free_bytes");
      const channels = [
        { name: "off", state: "off" },
        { name: "on", state: "on" },
      ];
      expect(body).to.deep.equal({ status: "ready", config: "ok", channels });
    } finally {
      await gateway.close();
    }
  });

  it("lifts cool-downs for the operator alone, and says what is missing", async () => {
    const gateway = await startWith({ X_API_KEY: "k" });
    try {
      const clear = (env: Record<string, string>, url = gateway.url) => run(url, { clear: "on" }, env);
      expect((await clear({})).err).to.equal("--clear needs the operator's key; set PICTOR_ADMIN_KEY to what the gateway has");
      expect((await clear({ PICTOR_ADMIN_KEY: gateway.key })).err).to.equal(
        "this is for the operator; send the header Authorization: Bearer <PICTOR_ADMIN_KEY>",
      );
      gateway.gateway.adminKey = undefined;
      expect((await clear({ PICTOR_ADMIN_KEY: adminKey })).err).to.equal(
        "this gateway has no operator's key; set PICTOR_ADMIN_KEY where it runs",
      );
      expect((await clear({ PICTOR_ADMIN_KEY: adminKey }, "http://127.0.0.1:1")).err).to.match(/^no gateway answers/);
    } finally {
      await gateway.close();
    }
  });

  it("ends with 1 when no channel is on", async () => {
    const gateway = await startWith({});
    try {
      const { code, out } = await run(gateway.url);
      expect([code, out]).to.deep.equal([
        1,
        "no channel is on\noff off: ACME_KEY or OFF_API_KEY is not set\noff on: X_API_KEY or ON_API_KEY is not set\n",
      ]);
    } finally {
      await gateway.close();
    }
  });

  it("tells when something else answers, or nothing", async () => {
    const bodies = ["<html>", "{}", '{"status":"ready"}'];
    const server = createServer((_, response) => response.end(bodies.shift())).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      for (const at of [url, url, url, "http://127.0.0.1:1", "nonsense"])
        expect(await run(at)).to.deep.equal({
          code: 1,
          out: "",
          err: `no gateway answers at ${at}; start it, or name another address with --url`,
        });
      expect(bodies).to.deep.equal([]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
