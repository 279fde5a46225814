// Requests outlive their process: it is killed at the worst moment, another takes its place, and nothing is ordered twice or lost.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { serve } from "../../src/process/serve.ts";
import { startReceiver } from "../helpers/receiver.ts";
import { until } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf } from "./serve-process.ts";

const channel = `base_url: \${env.TASKS_URL}
models: { demo: {} }
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}", size: "\${request.size}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 50ms, state: "\${body.state}", pending: [working], done: [done], failed: [failed] }
  result: { images: "\${body.images}", base64: "\${image}" }
`;

const picture = solidPng(8, 8).toString("base64");

/** A provider of tasks that counts its orders. */
class Tasks {
  orders = 0;
  polls = 0;
  isDone = false;
  /** Answers no order while it is set. */
  isMute = false;
  readonly server: Server = createServer((request, response) => {
    void text(request).then(() => {
      if (request.method === "POST") {
        this.orders += 1;
        if (!this.isMute) response.end(JSON.stringify({ id: `t${this.orders}` }));
        return;
      }
      this.polls += 1;
      response.end(JSON.stringify(this.isDone ? { state: "done", images: [picture] } : { state: "working" }));
    });
  });
}

describe("a request outlives its process", () => {
  const scene = (
    run: (parts: {
      tasks: Tasks;
      /** Write `gateway.yaml`; gives the environment that it reads. */
      configure: (text: string, secret: string) => Promise<Record<string, string>>;
      start: (env?: Record<string, string>) => Promise<{ url: string; kill: (signal?: NodeJS.Signals) => Promise<void> }>;
      /** Serve what a process left behind, in this one: a start takes a second, and this one is not killed. */
      takeUp: (env?: Record<string, string>) => Promise<{ url: string }>;
    }) => Promise<void>,
  ) =>
    inFolder(async (startProcess, folder) => {
      const tasks = new Tasks();
      tasks.server.listen(0, "127.0.0.1");
      await once(tasks.server, "listening");
      const { port } = tasks.server.address() as AddressInfo;
      const env = {
        ...(await channelsWith(folder, { "tasks.yaml": channel })),
        ...{ TASKS_URL: `http://127.0.0.1:${port}`, PICTOR_API_KEYS: "sk-outlive", PICTOR_WORKERS: "0", LOG_LEVEL: "warn", PORT: "0" },
        PICTOR_DATA: join(folder, "data"),
      };
      let close = () => Promise.resolve();
      try {
        await run({
          tasks,
          configure: async (text, secret) => {
            await writeFile(join(folder, "gateway.yaml"), text);
            return { HOOK_SECRET: secret };
          },
          start: async (more) => {
            const own = startProcess({ ...env, ...more });
            const url = await urlOf(own);
            return {
              url,
              kill: async (signal = "SIGKILL") => {
                own.child.kill(signal);
                await own.ended;
              },
            };
          },
          takeUp: async (more) => {
            const serving = await serve({ ...env, ...more, LOG_LEVEL: "silent" }, () => undefined);
            close = () => serving.close();
            return serving;
          },
        });
      } finally {
        await close();
        tasks.server.closeAllConnections();
        tasks.server.close();
      }
    });

  const draw = (url: string, headers: Record<string, string>) =>
    fetch(`${url}/v1/images/generations`, {
      method: "POST",
      headers: { authorization: "Bearer sk-outlive", "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "demo", prompt: "a cat" }),
    });

  for (const [what, headers] of [
    ["with a key", { "idempotency-key": "k" }],
    ["of an SDK that retries", { "x-stainless-retry-count": "0" }],
  ] as const)
    it(`${what}, whose task was accepted`, () =>
      scene(async ({ tasks, start, takeUp }) => {
        const first = await start();
        const answer = draw(first.url, headers).catch(() => undefined);
        await until(() => tasks.polls > 1);
        await first.kill();
        await answer;
        const second = await takeUp();
        const again = draw(second.url, "idempotency-key" in headers ? headers : { "x-stainless-retry-count": "1" });
        const before = tasks.polls;
        await until(() => tasks.polls > before);
        tasks.isDone = true;
        expect(((await (await again).json()) as { data: { b64_json: string }[] }).data[0]?.b64_json).to.equal(picture);
        expect(tasks.orders).to.equal(1);
      })).timeout(60_000);

  it("as a job, whose task was accepted", () =>
    scene(async ({ tasks, start, takeUp }) => {
      const first = await start();
      const { id } = (await (await draw(first.url, { prefer: "respond-async" })).json()) as { id: string };
      await until(() => tasks.polls > 1);
      await first.kill();
      tasks.isDone = true;
      const second = await takeUp();
      const job = async () =>
        (await (await fetch(`${second.url}/v1/images/jobs/${id}`, { headers: { authorization: "Bearer sk-outlive" } })).json()) as {
          status: string;
          result?: { data: { url: string }[] };
        };
      await until(async () => (await job()).status === "completed");
      expect((await job()).result?.data[0]?.url).to.match(/^http:.*\/images\//);
      expect(tasks.orders).to.equal(1);
    })).timeout(60_000);

  it("as a job, whose webhook is told though its process was killed before", () =>
    scene(async ({ tasks, start, takeUp, configure }) => {
      const receiver = await startReceiver();
      try {
        const secret = `whsec_${Buffer.alloc(32).toString("base64")}`;
        const env = await configure(
          `webhooks: [{ name: orders, url: "${receiver.url}", secret: "\${env.HOOK_SECRET}", private_url: true }]\n`,
          secret,
        );
        // The event is there as soon as the job is over; that its receiver is mute keeps it from being delivered before the kill.
        receiver.answer = () => undefined;
        tasks.isDone = true;
        const first = await start(env);
        const { id } = (await (await draw(first.url, { prefer: "respond-async", "pictor-webhook": "orders" })).json()) as { id: string };
        await until(() => receiver.received.length > 0);
        await first.kill();
        receiver.answer = (response) => void response.writeHead(204).end();
        const second = await takeUp({ ...env, PICTOR_ADMIN_KEY: "sk-operator" });
        const headers = { authorization: "Bearer sk-operator" };
        const [{ id: event } = { id: "" }] = (
          (await (await fetch(`${second.url}/admin/webhooks/deliveries`, { headers })).json()) as { data: { id: string }[] }
        ).data;
        // Otherwise the lease of the attempt that was cut would be waited for.
        await fetch(`${second.url}/admin/webhooks/deliveries/${event}/redeliver`, { method: "POST", headers });
        await until(() => receiver.received.length > 1);
        expect(receiver.received.map(({ headers: one }) => one["webhook-id"])).to.deep.equal([event, event]);
        expect((JSON.parse(receiver.received[1]?.body ?? "") as { data: object }).data).to.include({ id, status: "completed" });
      } finally {
        await receiver.close();
      }
    })).timeout(60_000);

  it("that is told to end while its client waits, which may send it again", () =>
    scene(async ({ tasks, start, takeUp }) => {
      const first = await start({ PICTOR_SHUTDOWN_SECONDS: "1" });
      const answer = draw(first.url, { "idempotency-key": "k" });
      await until(() => tasks.polls > 1);
      const ended = first.kill("SIGTERM");
      const told = await answer;
      expect(told.status).to.equal(503);
      expect(told.headers.get("x-should-retry")).to.equal("true");
      await ended;
      tasks.isDone = true;
      const second = await takeUp();
      expect((await draw(second.url, { "idempotency-key": "k" })).status).to.equal(200);
      expect(tasks.orders).to.equal(1);
    })).timeout(60_000);

  it("is one for several processes on one port", () =>
    scene(async ({ tasks, start }) => {
      const { url } = await start({ PICTOR_WORKERS: "2" });
      const answers = Array.from({ length: 12 }, () => draw(url, { "idempotency-key": "k", connection: "close" }));
      await until(() => tasks.polls > 1);
      tasks.isDone = true;
      for (const answer of answers) expect((await answer).status).to.equal(200);
      expect(tasks.orders).to.equal(1);
    })).timeout(60_000);

  it("and whose picture came after its 504 is fetched from the next process", () =>
    scene(async ({ tasks, start, takeUp, configure }) => {
      const env = await configure("routing: { answer_within: 100ms }\n", "");
      const first = await start(env);
      const late = await draw(first.url, {});
      expect(late.status).to.equal(504);
      const id = late.headers.get("x-request-id") ?? "";
      const shown = async (url: string) =>
        (await (await fetch(`${url}/v1/requests/${id}`, { headers: { authorization: "Bearer sk-outlive" } })).json()) as {
          status: string;
          result?: { data: { url: string }[] };
        };
      tasks.isDone = true;
      await until(async () => (await shown(first.url)).status === "completed");
      await first.kill();
      const second = await takeUp(env);
      const found = new URL((await shown(second.url)).result?.data[0]?.url ?? "");
      const response = await fetch(second.url + found.pathname);
      expect(Buffer.from(await response.arrayBuffer()).toString("base64")).to.equal(picture);
      expect(tasks.orders).to.equal(1);
    })).timeout(60_000);

  it("and is told that it may have been paid for, where nobody knows, and not ordered again", () =>
    scene(async ({ tasks, start, takeUp }) => {
      tasks.isMute = true;
      const first = await start();
      const answer = draw(first.url, { "idempotency-key": "k" }).catch(() => undefined);
      await until(() => tasks.orders === 1);
      await first.kill();
      await answer;
      tasks.isMute = false;
      tasks.isDone = true;
      const second = await takeUp();
      const again = await draw(second.url, { "idempotency-key": "k" });
      expect(again.status).to.equal(504);
      expect(again.headers.get("x-should-retry")).to.equal("false");
      expect(tasks.orders).to.equal(1);
      expect((await draw(second.url, { "idempotency-key": "another" })).status).to.equal(200);
      expect(tasks.orders).to.equal(2);
    })).timeout(60_000);
});
