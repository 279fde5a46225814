import { expect } from "chai";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import pino from "pino";
import { createRedisState } from "../../src/gateway/redis-state.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import type { SharedState } from "../../src/gateway/shared-state.ts";
import { createTable } from "../../src/gateway/table.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { loadFiles } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";
import { until } from "../http/setup.ts";
import { startRedis, type RedisServer } from "./server.ts";

// Run by test/redis/run.sh, and not with the other tests: it needs a redis-server.

interface Instance extends TestGateway {
  state: SharedState;
  log: { msg: string }[];
}

describe("two instances with one redis", () => {
  let redis: RedisServer;
  let provider: Provider;
  let spare: Provider;
  let answer: { status: number; headers?: Record<string, string> } = { status: 200 };
  const held: (() => void)[] = [];
  let holds = false;
  const instances: Instance[] = [];

  const standing = (how: string) => until(() => instances.every(({ state }) => state.standing() === how), how);

  before(async () => {
    redis = await startRedis();
    provider = await httpProvider((_request, response) => {
      const reply = () =>
        answer.status === 200
          ? response.end('{"data":[{"url":"https://a.example/1"}]}')
          : response.writeHead(answer.status, answer.headers).end("{}");
      if (holds) held.push(reply);
      else reply();
    });
    spare = await httpProvider((_request, response) => response.end('{"data":[{"url":"https://a.example/1"}]}'));
    const file = (limits: string): string => `extends: openai-images\nbase_url: ${provider.url}\nlimits: ${limits}\nmodels: `;
    const loaded = await loadFiles({
      "places.yaml": `${file("{ concurrency: 2, queue: 0 }")}{ dall-e-2: {} }\n`,
      "minute.yaml": `${file("{ images_per_minute: 3 }")}{ dall-e-3: {} }\n`,
      "rests.yaml": `${file("{}")}{ gpt-image-1: {} }\n`,
      "trial.yaml": `${file("{}")}{ trial: { schema: dall-e-2 } }\n`,
      "spare.yaml": `extends: openai-images\nbase_url: ${spare.url}\npriority: 1\nmodels: { trial: { schema: dall-e-2 } }\n`,
    });
    for (let count = 0; count < 2; count += 1) {
      const log: { msg: string }[] = [];
      const state = createRedisState(
        `redis://127.0.0.1:${redis.port}`,
        pino({ level: "info" }, { write: (line: string) => void log.push(JSON.parse(line) as { msg: string }) }),
        { lease: 600 },
      );
      const table = createTable(loaded);
      instances.push({ ...(await startGateway({ table: () => table, routing: createRouting({ state }) })), state, log });
    }
    await standing("shared");
  });

  after(async () => {
    for (const instance of instances) {
      await instance.close();
      await instance.state.close();
    }
    await provider.close();
    await spare.close();
    await redis.kill();
  });

  const ask = async (instance: number, model: string, n = 1) => {
    const { status, headers } = await draw(instances[instance]!, { model, prompt: "x", n });
    return { status, retryAfter: Number(headers.get("retry-after")) };
  };

  /** Begin requests that last until `release`. */
  async function begin(...at: number[]): Promise<() => Promise<number[]>> {
    holds = true;
    const running = at.map((instance) => ask(instance, "dall-e-2"));
    await until(() => held.length === at.length);
    return async () => {
      holds = false;
      held.splice(0).forEach((reply) => reply());
      return (await Promise.all(running)).map(({ status }) => status);
    };
  }

  it("share the places of a channel, for longer than a lease", async () => {
    const release = await begin(0, 1);
    await delay(900);
    expect((await ask(0, "dall-e-2")).status).to.equal(429);
    expect((await ask(1, "dall-e-2")).status).to.equal(429);
    expect(await release()).to.deep.equal([200, 200]);
    await until(async () => (await ask(0, "dall-e-2")).status === 200);
  });

  it("share the pictures of a minute", async () => {
    expect((await ask(0, "dall-e-3")).status).to.equal(200);
    expect((await ask(1, "dall-e-3")).status).to.equal(200);
    expect((await ask(0, "dall-e-3")).status).to.equal(200);
    for (const instance of [0, 1]) {
      const { status, retryAfter } = await ask(instance, "dall-e-3");
      expect(status).to.equal(429);
      expect(retryAfter).to.be.within(30, 60);
    }
  });

  it("learn from each other what rests, and what is well again", async () => {
    answer = { status: 429, headers: { "retry-after": "2" } };
    expect((await ask(0, "gpt-image-1")).status).to.equal(429);
    await until(() => instances[1]!.gateway.routing.health.coolDowns().length === 1);
    const calls = provider.calls();
    expect((await ask(1, "gpt-image-1")).status).to.equal(429);
    expect(provider.calls()).to.equal(calls);
    answer = { status: 200 };
    await until(async () => (await ask(1, "gpt-image-1")).status === 200);
    await until(() => instances.every(({ gateway }) => gateway.routing.health.coolDowns().length === 0));
  });

  it("go on past what they do not understand, and say so", async () => {
    const client = new Redis(redis.port, { host: "127.0.0.1" });
    const heard = (scope: string) =>
      instances.every(({ gateway }) => gateway.routing.health.coolDowns().some((one) => one.scope === scope));
    instances.forEach(({ log }) => log.splice(0));
    const rest = { rests: 50, failures: 1, named: false };
    const told = ["no JSON", "null", { subject: "a" }, { subject: "a", told: { rests: "long" } }, { subject: "whole", told: rest }];
    for (const one of told) await client.publish("pictor:health", typeof one === "string" ? one : JSON.stringify(one));
    await until(() => heard("whole"));
    for (const { log } of instances)
      expect(log.map(({ msg }) => msg)).to.deep.equal(Array<string>(4).fill("what another instance told is not understood"));
    client.disconnect();
    await until(() => !heard("whole"));
  });

  it("let one request of all try what has rested", async () => {
    const areResting = (count: number) =>
      until(() => instances.every(({ gateway }) => gateway.routing.health.coolDowns().length === count));
    answer = { status: 503, headers: { "retry-after": "1" } };
    expect((await ask(0, "trial")).status).to.equal(200);
    await areResting(1);
    await areResting(0);
    answer = { status: 200 };
    holds = true;
    const before = [provider.calls(), spare.calls()] as const;
    const running = Array.from({ length: 10 }, (_, index) => ask(index % 2, "trial"));
    await until(() => held.length > 0 && spare.calls() - before[1] >= 9);
    expect([provider.calls() - before[0], spare.calls() - before[1]]).to.deep.equal([1, 9]);
    holds = false;
    held.splice(0).forEach((reply) => reply());
    for (const { status } of await Promise.all(running)) expect(status).to.equal(200);
    // The one that tried was answered well, and all go there again.
    await until(async () => {
      const calls = provider.calls();
      await Promise.all([ask(0, "trial"), ask(1, "trial")]);
      return provider.calls() - calls === 2;
    });
  });

  it("go on by themselves at once when it is killed, say so once, and find each other again", async () => {
    instances.forEach(({ log }) => log.splice(0));
    const release = await begin(0, 1);
    await redis.kill();
    // Each has one place left of its own two.
    const began = performance.now();
    const more = [ask(0, "dall-e-2"), ask(1, "dall-e-2")];
    await until(() => held.length === 4);
    expect(performance.now() - began).to.be.below(1500);
    await standing("alone");
    const ready = (await (await fetch(`${instances[0]!.url}/readyz`)).json()) as { status: string; shared_state: string };
    expect([ready.status, ready.shared_state]).to.deep.equal(["ready", "alone"]);
    await redis.start();
    await standing("shared");
    // The places of requests that still run are found again.
    const client = new Redis(redis.port, { host: "127.0.0.1" });
    await until(async () => {
      const places = await client.hvals("pictor:held:places");
      return places.reduce((sum, text) => sum + Number.parseInt(text, 10), 0) === 4;
    });
    client.disconnect();
    expect(await release()).to.deep.equal([200, 200]);
    expect((await Promise.all(more)).map(({ status }) => status)).to.deep.equal([200, 200]);
    for (const { log } of instances)
      expect(log.map(({ msg }) => msg)).to.deep.equal([
        "the shared state cannot be reached; this instance goes on by itself",
        "the shared state is there",
      ]);
  });

  it("have all their places again as soon as one that hung is back, whatever was asked meanwhile", async () => {
    const client = new Redis(redis.port, { host: "127.0.0.1" });
    const places = async () => (await client.hvals("pictor:held:places")).map((text) => Number.parseInt(text, 10));
    redis.signal("SIGSTOP");
    expect((await Promise.all([ask(0, "dall-e-2"), ask(0, "dall-e-2")])).map(({ status }) => status)).to.deep.equal([200, 200]);
    redis.signal("SIGCONT");
    await standing("shared");
    await until(async () => (await places()).every((count) => count === 0));
    const release = await begin(1, 1);
    expect(await release()).to.deep.equal([200, 200]);
    client.disconnect();
  });

  it("go on by themselves when it hangs", async () => {
    redis.signal("SIGSTOP");
    const began = performance.now();
    expect((await ask(0, "dall-e-3")).status).to.equal(200);
    expect((await ask(0, "dall-e-3")).status).to.equal(200);
    expect(performance.now() - began).to.be.below(1500);
    redis.signal("SIGCONT");
    await until(async () => {
      await ask(0, "dall-e-3");
      return instances[0]!.state.standing() === "shared";
    });
  });
});
