// The last guard: what is thrown where nothing catches it ends one request, and in time its process, but no other request.
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { lastCalls } from "../../src/process/messages.ts";
import { until } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf, type Process } from "./serve-process.ts";

const acme = `extends: openai-images
base_url: \${env.ACME_URL}
models: { demo: {} }
plugins: [bomb]
`;

/**
 * Goes off in a timer, in a promise that nobody awaits, or not at all, as the prompt says; or tells the first process what it should not. A
 * process that finds the file `dies` ends at its start.
 */
const bomb = `
import { existsSync, rmSync } from "node:fs";
const kinds = {
  timer: () => setTimeout(() => { throw new Error("thrown on purpose"); }, 1),
  promise: () => void Promise.resolve().then(() => { throw new Error("thrown on purpose"); }),
  nonsense: () => {
    for (const message of [null, 5, "a", [], {}, { pictor: null }, { pictor: { toString: null } }]) process.send(message);
    for (const pictor of ["__proto__", "toString", "ready", "keep", "note", "metrics"]) process.send({ pictor });
    process.send({ pictor: "keep", handover: 5 });
  },
  failing: () => {
    for (let times = 0; times < 2; times += 1) process.send({ pictor: "failing" });
  },
};
if (existsSync("dies")) {
  rmSync("dies");
  process.exit(3);
}
export default {
  name: "bomb", summary: "", schema: { type: "object" }, examples: [], handles: [],
  create: () => async (ctx, next) => { kinds[ctx.request.prompt]?.(); await next(); },
};
`;

/** Loaded before all else: the first process starts no other while there is a file `starts-none`, and tells what becomes of them. */
const prelude = `
import cluster from "node:cluster";
import { existsSync } from "node:fs";
const { execPath } = process;
Object.defineProperty(process, "execPath", { get: () => (existsSync("starts-none") ? "/nowhere/node" : execPath) });
for (const event of ["fork", "listening"]) cluster.on(event, () => console.log("cluster: " + event));
`;

interface Scene {
  folder: string;
  gateway: Process;
  url: string;
  draw: (prompt: string) => Promise<Response>;
  /** The provider's calls so far; each answers one. */
  asked: (() => void)[];
}

/** A gateway with that plugin, before a provider that answers when the test says so. */
function withBomb(args: string[], run: (scene: Scene) => Promise<void>): Promise<void> {
  return inFolder(async (start, folder) => {
    const asked: (() => void)[] = [];
    const provider = createServer((request, response) => {
      void text(request).then(
        () => asked.push(() => response.end('{"data":[{"url":"https://pictures.example/1.png"}]}')),
        () => undefined,
      );
    }).listen(0, "127.0.0.1");
    await once(provider, "listening");
    try {
      await mkdir(join(folder, "plugins"));
      await writeFile(join(folder, "plugins", "bomb.js"), bomb);
      await writeFile(join(folder, "prelude.mjs"), prelude);
      const gateway = start(
        {
          ...(await channelsWith(folder, { "acme.yaml": acme })),
          ACME_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`,
          PICTOR_PLUGINS: join(folder, "plugins"),
          PICTOR_API_KEYS: "sk-one",
          NODE_OPTIONS: `--import=${pathToFileURL(join(folder, "prelude.mjs")).href}`,
        },
        args,
      );
      const url = await urlOf(gateway);
      const draw = (prompt: string) =>
        fetch(`${url}/v1/images/generations`, {
          method: "POST",
          headers: { authorization: "Bearer sk-one" },
          body: Buffer.from(JSON.stringify({ model: "demo", prompt })),
        });
      await run({ folder, gateway, url, draw, asked });
    } finally {
      provider.closeAllConnections();
      provider.close();
    }
  });
}

const pidsIn = (log: string) => new Set([...log.matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid)));
const fatal = (log: string) => log.split("\n").filter((line) => line.includes("outside of every request"));

describe("an error that nothing catches", function () {
  this.timeout(60_000);
  for (const kind of ["timer", "promise"])
    it(`in a ${kind} ends its own request, lets the 49 others under way finish, and another process serves`, () =>
      withBomb(["serve"], async ({ gateway, url, draw, asked }) => {
        const others = Array.from({ length: 49 }, () => draw("a cat"));
        await until(() => asked.length === 49);
        const broken = draw(kind);
        const answer = await broken;
        expect(answer.status).to.equal(500);
        expect(await answer.json()).to.have.nested.property("error.code", "internal_error");
        await until(() => fatal(gateway.logged()).length === 1);
        const line = JSON.parse(fatal(gateway.logged())[0]!) as { request: string; err: { message: string }; pid: number };
        expect([line.request, line.err.message]).to.deep.equal([answer.headers.get("x-request-id"), "thrown on purpose"]);
        // Somebody serves all the time, and in the end it is another process, while the 49 still wait.
        await until(async () => {
          await delay(25);
          expect((await fetch(`${url}/livez`, { headers: { connection: "close" } })).status).to.equal(200);
          return pidsIn(gateway.logged()).size === 2;
        });
        for (const answerOne of asked) answerOne();
        for (const other of others) expect((await other).status).to.equal(200);
        const answered = performance.now();
        await until(() => gateway.said().includes(`worker ${line.pid} ended (1); another one takes its place`));
        // Nothing is left that it could wait for.
        expect(performance.now() - answered).to.be.below(lastCalls);
        const before = asked.length;
        const again = draw("a cat");
        await until(() => asked.length > before);
        asked.at(-1)!();
        expect((await again).status).to.equal(200);
        gateway.child.kill("SIGTERM");
        expect(await gateway.ended).to.equal(0);
      }));

  it("is followed by a start that fails, and by one that ends at once: another is started all the same, and takes the place", () =>
    withBomb(["serve"], async ({ folder, gateway, draw }) => {
      const livesOn = (pid: number) => {
        try {
          return process.kill(pid, 0);
        } catch {
          return false;
        }
      };
      await writeFile(join(folder, "starts-none"), "");
      await writeFile(join(folder, "dies"), "");
      const began = performance.now();
      expect((await draw("timer")).status).to.equal(500);
      await until(() => gateway.said().includes("another worker cannot be started: spawn /nowhere/node ENOENT"));
      const [old] = pidsIn(gateway.logged());
      await rm(join(folder, "starts-none"));
      await until(() => delay(25, /worker \d+ ended \(3\)/.test(gateway.said())));
      await until(() => delay(25, !livesOn(old!)));
      // It was told, and did not end because nobody had told it for half a minute.
      expect(performance.now() - began).to.be.below(29_000);
      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
    }));

  it("of a plugin that writes to the first process changes nothing there, and a process is replaced once", () =>
    withBomb(["serve"], async ({ gateway, draw, asked }) => {
      const status = async (prompt: string) => {
        const before = asked.length;
        const answer = draw(prompt);
        await until(() => asked.length > before);
        asked.at(-1)!();
        return (await answer).status;
      };
      const count = (event: string) => gateway.logged().split(`cluster: ${event}\n`).length - 1;
      expect(await status("nonsense")).to.equal(200);
      expect(await status("failing")).to.equal(200);
      await until(() => delay(25, count("listening") === 2));
      expect(count("fork")).to.equal(2);
      expect(gateway.said()).to.contain("an error in the first process, which goes on: ");
      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
    }));

  it("ends a process that serves alone with a code of its own, once the others have finished", () =>
    withBomb(["serve", "--workers", "0"], async ({ gateway, url, draw, asked }) => {
      const other = draw("a cat");
      await until(() => asked.length === 1);
      expect((await draw("timer")).status).to.equal(500);
      await until(() =>
        fetch(`${url}/livez`, { headers: { connection: "close" } }).then(
          () => false,
          () => true,
        ),
      );
      asked[0]!();
      expect((await other).status).to.equal(200);
      expect(await gateway.ended).to.equal(1);
    }));
});
