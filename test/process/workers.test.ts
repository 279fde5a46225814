import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, get, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { roomForNewObjects } from "../../src/process/supervise.ts";
import { freePort } from "../helpers/port.ts";
import { httpProvider } from "../helpers/provider.ts";
import { metric, until } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf } from "./serve-process.ts";

const workers = ["serve", "--workers", "2"];

describe("the room for new objects", () => {
  it("is the operator's own, where Node's options say one", () => {
    expect(roomForNewObjects([])).to.deep.equal(["--min-semi-space-size=16", "--max-semi-space-size=16"]);
    expect(roomForNewObjects(["--enable-source-maps", ""])).to.have.length(2);
    for (const own of ["--max-semi-space-size=8", "--no-warnings --max-semi-space-size=8"])
      expect(roomForNewObjects(["--enable-source-maps", own])).to.deep.equal([]);
  });
});

describe("pictor serve --workers", function () {
  // Three processes start here one after another, each with everything it loads.
  this.timeout(60_000);
  it("serves with several processes, replaces one that dies, reloads and ends all of them", () =>
    inFolder(async (start, folder) => {
      const channels = await channelsWith(folder);
      // One of its own would be another when all processes have ended and come again.
      const PORT = String(await freePort());
      const gateway = start({ ...channels, PORT, PICTOR_API_KEYS: "sk-one" }, workers);
      const url = await urlOf(gateway);
      expect(gateway.said().match(/pictor listens on/g)).to.have.length(1);
      /** Who has answered so far, by the log. */
      const pids = () => new Set([...gateway.logged().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid)));
      /** On a connection of its own, so that another process may take it; not too often, since processes start slowly on a busy machine. */
      const ask = async () => {
        await delay(25);
        return new Promise<boolean>((resolve) => {
          // A process that is killed takes what it was handed with it.
          get(`${url}/livez`, { agent: false, signal: AbortSignal.timeout(1000) }, (response) =>
            resolve(response.resume().statusCode === 200),
          ).once("error", () => resolve(false));
        });
      };
      await until(async () => (await ask()) && pids().size === 2);
      for (const pid of pids()) {
        const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
        expect(command).to.include.members(roomForNewObjects([]));
      }
      // Metrics are those of all, whoever is asked.
      const counted = await metric(url, 'pictor_requests_total{path="/livez",model="",status="200"}');
      expect(counted).to.be.at.least(2);
      expect(await metric(url, "pictor_config_ok")).to.equal(1);

      // No connection is handed to one that does not accept it: it would be lost with that one.
      const [victim] = pids();
      process.kill(victim!, "SIGSTOP");
      try {
        expect(await Promise.all([ask(), ask(), ask(), ask()])).to.deep.equal([true, true, true, true]);
      } finally {
        // A process that stands still does not end with the first one.
        process.kill(victim!, "SIGKILL");
      }
      await until(() => gateway.said().includes(`worker ${victim} ended (SIGKILL); another one takes its place`));
      await until(async () => (await ask()) && pids().size === 3);

      // The first process hears of both ends at once, and has no process left.
      const both = [...pids()].filter((pid) => pid !== victim);
      gateway.child.kill("SIGSTOP");
      for (const pid of both) process.kill(pid, "SIGKILL");
      await delay(50);
      gateway.child.kill("SIGCONT");
      await until(async () => (await ask()) && pids().size === 5);

      await writeFile(join(folder, "gateway.yaml"), "kes: []\n");
      gateway.child.kill("SIGHUP");
      await until(() => new Set([...gateway.logged().matchAll(/"pid":(\d+)[^\n]*not reloaded/g)].map(([, pid]) => pid)).size === 2);

      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
      for (const pid of pids()) expect(() => process.kill(pid, 0)).to.throw("ESRCH");
    }));

  it("starts another process with the configuration that is in force, though files are broken by then", () =>
    inFolder(async (start, folder) => {
      const acme = "extends: openai-images\nbase_url: https://acme.example\nmodels: { demo: {} }\n";
      const channels = await channelsWith(folder, { "acme.yaml": acme, "other.yaml": acme });
      const gateway = start({ ...channels, PICTOR_API_KEYS: "sk-one", PICTOR_ADMIN_KEY: "sk-operator" }, ["serve"]);
      const url = await urlOf(gateway);
      const ready = async () =>
        (await (await fetch(`${url}/readyz`, { headers: { authorization: "Bearer sk-operator", connection: "close" } })).json()) as object;
      const degraded = {
        status: "ready",
        config: "degraded",
        channels: [
          { name: "acme", state: "on" },
          { name: "other", state: "on", file: "broken" },
        ],
      };
      await writeFile(join(folder, "channels", "other.yaml"), `${acme}modles: {}\n`);
      gateway.child.kill("SIGHUP");
      await until(async () => (await metric(url, "pictor_channels_broken")) === 1);
      await writeFile(join(folder, "gateway.yaml"), "kes: []\n");
      const [pid] = /(?<="pid":)\d+/.exec(gateway.logged())!;
      process.kill(Number(pid), "SIGKILL");
      await until(() => gateway.said().includes(`worker ${pid} ended (SIGKILL)`));
      let body: object = {};
      await until(() =>
        ready().then(
          (answer) => (body = answer) === answer,
          () => false,
        ),
      );
      expect(body).to.deep.include(degraded);
      // What has broken meanwhile is told, and changes nothing.
      await until(async () => JSON.stringify(await ready()).includes("gateway.yaml:1:1"));
      expect(await ready()).to.deep.include(degraded);
    }));

  const redisIsGone = { REDIS_URL: "redis://127.0.0.1:1" };
  for (const [when, more] of Object.entries({ "": {}, ", also while Redis cannot be reached": redisIsGone }))
    it(`shares what may have been paid for: a request repeated at another process is no second order, and its late answer is shown there${when}`, () =>
      inFolder(async (start, folder) => {
        const orders: ServerResponse[] = [];
        const provider = await httpProvider((request, response) => void request.resume().on("end", () => orders.push(response)));
        try {
          const acme = `extends: openai-images\nbase_url: ${provider.url}\nmodels: { demo: {} }\n`;
          await writeFile(join(folder, "gateway.yaml"), "routing: { answer_within: 100ms, repeat_within: 60s }\n");
          const gateway = start({ ...(await channelsWith(folder, { "acme.yaml": acme })), PICTOR_API_KEYS: "sk-one", ...more }, workers);
          const url = await urlOf(gateway);
          /** The processes that have answered requests of this path. */
          const pidsOf = (path: string) =>
            new Set(
              [...gateway.logged().matchAll(/"pid":(\d+)[^\n]*"path":"([^"]*)"/g)].filter((line) => line[2] === path).map(([, pid]) => pid),
            );
          /** On a connection of its own, so that another process may take it. */
          const ask = async (path: string, body?: object) => {
            const headers = { authorization: "Bearer sk-one", connection: "close", "content-type": "application/json" };
            const response = await fetch(`${url}${path}`, { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) });
            return { status: response.status, id: String(response.headers.get("x-request-id")), body: await response.text() };
          };
          await until(async () => (await ask("/livez")).status === 200 && pidsOf("/livez").size === 2);

          const cat = { model: "demo", prompt: "a cat" };
          const { id, status } = await ask("/v1/images/generations", cat);
          expect(status).to.equal(504);
          await until(async () => {
            const again = await ask("/v1/images/generations", cat);
            expect(again.status).to.equal(504);
            expect(again.body).to.contain(`GET /v1/requests/${id}`);
            return pidsOf("/v1/images/generations").size === 2;
          });
          // A process that has just started is not quick to send its first order.
          await until(() => provider.calls() > 0);
          expect(provider.calls()).to.equal(1);

          const shown = () => ask(`/v1/requests/${id}`).then(({ body }) => (JSON.parse(body) as { status: string }).status);
          orders[0]!.writeHead(500, { "content-type": "application/json" }).end('{"error":{"message":"out of order"}}');
          await until(async () => (await shown()) === "failed");
          const before = gateway.logged().length;
          const newer = () =>
            new Set(
              [
                ...gateway
                  .logged()
                  .slice(before)
                  .matchAll(/"pid":(\d+)/g),
              ].map(([, pid]) => pid),
            );
          await until(async () => {
            expect(await shown()).to.equal("failed");
            return newer().size === 2;
          });
        } finally {
          await provider.close();
        }
      }));

  it("ends processes that are still starting, too", () =>
    inFolder(async (start, folder) => {
      // A plugin that lets its process start when it is answered.
      const asked: ServerResponse[] = [];
      const gate = createServer((_, response) => void asked.push(response)).listen(0, "127.0.0.1");
      await once(gate, "listening");
      try {
        const plugins = join(folder, "plugins");
        await mkdir(plugins);
        const shape = 'name: "slow", summary: "", schema: { type: "object" }, examples: [], handles: [], create: () => undefined';
        const wait = `await fetch("http://127.0.0.1:${(gate.address() as AddressInfo).port}");`;
        await writeFile(join(plugins, "slow.js"), `${wait}\nexport default { ${shape} };\n`);
        const gateway = start({ ...(await channelsWith(folder)), PICTOR_PLUGINS: plugins, PICTOR_API_KEYS: "sk-one" }, workers);
        const letGo = (response: ServerResponse) => response.writeHead(200, { connection: "close" }).end();
        const next = async () => {
          for (let tries = 0; asked.length === 0 && tries < 1000; tries += 1) await delay(20);
          return asked.shift()!;
        };
        letGo(await next());
        const url = await urlOf(gateway);
        const second = await next();
        gateway.child.kill("SIGTERM");
        // The first has ended when nobody listens.
        await until(async () => {
          await delay(25);
          return fetch(`${url}/livez`).then(
            async (response) => !(await response.text()),
            () => true,
          );
        });
        letGo(second);
        expect(await gateway.ended).to.equal(0);
      } finally {
        gate.closeAllConnections();
        gate.close();
      }
    }));

  it("tells what is wrong once, and ends", () =>
    inFolder(async (start, folder) => {
      const channels = await channelsWith(folder, { "acme.yaml": "modles: {}\n" });
      const gateway = start(channels, workers);
      expect(await gateway.ended).to.equal(1);
      expect(gateway.said().match(/unknown key "modles"/g)).to.have.length(1);
    }));
});
