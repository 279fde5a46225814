// The last guard: what is thrown where nothing catches it ends one request, and in time its process, but no other request.
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { until } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf, type Process } from "./serve-process.ts";

const acme = `extends: openai-images
base_url: \${env.ACME_URL}
models: { demo: {} }
plugins: [bomb]
`;

/** Goes off in a timer, in a promise that nobody awaits, or not at all, as the prompt says. */
const bomb = `
const kinds = {
  timer: () => setTimeout(() => { throw new Error("thrown on purpose"); }, 1),
  promise: () => void Promise.resolve().then(() => { throw new Error("thrown on purpose"); }),
};
export default {
  name: "bomb", summary: "", schema: { type: "object" }, examples: [], handles: [],
  create: () => async (ctx, next) => { kinds[ctx.request.prompt]?.(); await next(); },
};
`;

interface Scene {
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
      const gateway = start(
        {
          ...(await channelsWith(folder, { "acme.yaml": acme })),
          ACME_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`,
          PICTOR_PLUGINS: join(folder, "plugins"),
          PICTOR_API_KEYS: "sk-one",
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
      await run({ gateway, url, draw, asked });
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
          expect((await fetch(`${url}/livez`, { headers: { connection: "close" } })).status).to.equal(200);
          return pidsIn(gateway.logged()).size === 2;
        });
        for (const answerOne of asked) answerOne();
        for (const other of others) expect((await other).status).to.equal(200);
        await until(() => gateway.said().includes(`worker ${line.pid} ended (1); another one takes its place`));
        const before = asked.length;
        const again = draw("a cat");
        await until(() => asked.length > before);
        asked.at(-1)!();
        expect((await again).status).to.equal(200);
        gateway.child.kill("SIGTERM");
        expect(await gateway.ended).to.equal(0);
      }));

  it("ends a process that serves alone with a code of its own, once the others have finished", () =>
    withBomb(["serve", "--workers", "0"], async ({ gateway, draw, asked }) => {
      const other = draw("a cat");
      await until(() => asked.length === 1);
      expect((await draw("timer")).status).to.equal(500);
      await until(() =>
        draw("a cat").then(
          () => false,
          () => true,
        ),
      );
      asked[0]!();
      expect((await other).status).to.equal(200);
      expect(await gateway.ended).to.equal(1);
    }));
});
