import { expect } from "chai";
import { AggregatorRegistry } from "prom-client";
import { createMetrics } from "../../src/http/metrics.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { dial, metric, reply, startHouse, until, wire, type House } from "./setup.ts";

describe("http: health", () => {
  it("is alive and ready with a channel that is on", async () => {
    const house = await startHouse();
    try {
      expect(await (await fetch(`${house.url}/livez`)).json()).to.deep.equal({ status: "ok" });
      const ready = await fetch(`${house.url}/readyz`);
      expect(ready.status).to.equal(200);
      const { store, ...rest } = (await ready.json()) as { store: object };
      expect(rest).to.deep.equal({ status: "ready", config: "ok", channels: [{ name: "acme", state: "on" }] });
      expect(store).to.have.all.keys("writable", "free_bytes");
    } finally {
      await house.close();
    }
  });

  it("is alive but not ready when no channel is on, and says why without a secret", async () => {
    const acme = 'extends: openai-images\nbase_url: http://127.0.0.1:9/v1\nkeys: ["${env.ACME_SECRET}"]\nmodels: { demo: {} }\n';
    const off = "extends: openai-images\nenabled: false\nbase_url: http://127.0.0.1:9/v1\nmodels: { demo: {} }\n";
    const gateway = await gatewayWith({ "acme.yaml": acme, "off.yaml": off }, {}, { adminKey: "sk-operator" });
    try {
      expect((await fetch(`${gateway.url}/livez`)).status).to.equal(200);
      const ready = await fetch(`${gateway.url}/readyz`, { headers: { authorization: "Bearer sk-operator" } });
      expect(ready.status).to.equal(503);
      const { channels, status } = (await ready.json()) as { status: string; channels: { name: string; reason: string }[] };
      expect(status).to.equal("no channel is on");
      expect(channels[0]).to.deep.include({ name: "acme", state: "off" });
      expect(channels[0]!.reason).to.include("ACME_SECRET");
      expect(channels[1]).to.deep.equal({ name: "off", state: "off", reason: "switched off in its file" });
      const models = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${gateway.key}` } });
      expect(await models.json()).to.deep.equal({ object: "list", data: [] });
      expect((await fetch(`${gateway.url}/openapi.json`)).status).to.equal(200);
    } finally {
      await gateway.close();
    }
  });
});

describe("http: metrics", () => {
  let house: House;
  before(async () => {
    house = await startHouse(
      async ({ body }, response) => {
        const { prompt } = JSON.parse(body) as { prompt: string };
        if (prompt === "wait") return;
        await Promise.resolve();
        if (prompt === "fail") reply(response, { error: { message: "out of order" } }, 500);
        else reply(response, { data: [{ url: "https://pictures.example/1.png" }, { url: "https://pictures.example/2.png" }] });
      },
      { metrics: createMetrics({ ofProcess: true }) },
    );
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  it("are in Prometheus' format, line by line", async () => {
    await (await house.generate({ model: "demo", prompt: "a cat" })).text();
    const response = await fetch(`${house.url}/metrics`);
    expect(response.headers.get("content-type")).to.equal("text/plain; version=0.0.4; charset=utf-8");
    const names = new Set<string>();
    for (const line of (await response.text()).split("\n").filter(Boolean)) {
      const typed = /^# (?:HELP|TYPE) (\S+) /.exec(line)?.[1];
      if (typed) names.add(typed);
      else {
        const [, name = ""] =
          /^([a-z_][a-z0-9_]*)(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (?:-?[0-9.e+-]+|NaN|\+Inf)$/i.exec(line) ?? [];
        expect(names.has(name) || names.has(name.replace(/_(?:bucket|sum|count)$/, "")), line).to.equal(true);
      }
    }
    for (const name of [
      "pictor_requests_total",
      "pictor_request_seconds",
      "pictor_requests_in_flight",
      "pictor_attempts_total",
      "process_cpu_seconds_total",
    ])
      expect(names.has(name), name).to.equal(true);
  });

  it("leave the process out where many gateways come and go in it, as in the channels' own tests at a reload: its probes would stay", async () => {
    expect(await createMetrics().registry.metrics()).not.to.match(/^(nodejs|process)_/m);
  });

  it("count a request, its attempt, its pictures and its changes", async () => {
    await (await house.generate({ model: "demo", prompt: "a cat", n: 2, watermark: true })).text();
    expect(await metric(house.url, 'pictor_requests_total{path="/v1/images/generations",model="demo",status="200"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_request_seconds_count{path="/v1/images/generations",model="demo"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_attempts_total{channel="acme",model="demo",outcome="ok"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_pictures_total{channel="acme",model="demo"}')).to.equal(2);
    expect(await metric(house.url, 'pictor_changes_total{channel="acme",model="demo",field="watermark"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_sent_bytes_total{path="/v1/images/generations"}')).to.be.greaterThan(100);
    // The question itself is under way.
    expect(await metric(house.url, "pictor_requests_in_flight")).to.equal(1);
  });

  it("count an error of the provider, and one of the client", async () => {
    await (await house.generate({ model: "demo", prompt: "fail" })).text();
    await (await house.generate({ model: "demo" })).text();
    expect(await metric(house.url, 'pictor_requests_total{path="/v1/images/generations",model="demo",status="502"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_attempts_total{channel="acme",model="demo",outcome="failed"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_requests_total{path="/v1/images/generations",model="demo",status="400"}')).to.equal(1);
    expect(await metric(house.url, 'pictor_pictures_total{channel="acme",model="demo"}')).to.equal(undefined);
  });

  it("count a client that hung up as 499", async () => {
    const socket = await dial(house.url);
    socket.write(wire("/v1/images/generations", house.key, JSON.stringify({ model: "demo", prompt: "wait" })));
    await until(() => house.provider.calls.length === 1);
    expect(await metric(house.url, "pictor_requests_in_flight")).to.equal(2);
    socket.destroy();
    await until(async () => (await metric(house.url, "pictor_requests_in_flight")) === 1);
    expect(await metric(house.url, 'pictor_requests_total{path="/v1/images/generations",model="demo",status="499"}')).to.equal(1);
  });

  it("measure the channels for whoever asks: of several processes each tells its own share", async () => {
    const { registry } = house.gateway.metrics;
    await (await fetch(`${house.url}/metrics`)).text();
    const client = new AbortController();
    const waiting = house.generate({ model: "demo", prompt: "wait" }, { signal: client.signal }).catch(() => undefined);
    await until(() => house.provider.calls.length === 1);
    // Nobody has asked this process for its page since then.
    const page = await AggregatorRegistry.aggregate([await registry.getMetricsAsJSON(), await registry.getMetricsAsJSON()]).metrics();
    expect(page).to.include('pictor_channel_in_flight{channel="acme"} 2\n').and.include('pictor_channel_waiting{channel="acme"} 0\n');
    client.abort();
    await waiting;
  });

  it("have labels only of the operator's names: what clients write does not make them grow", async () => {
    const authorization = `Bearer ${house.key}`;
    await (await house.generate({ model: "acme/open", prompt: "a cat", own: 1 })).text();
    await (await house.generate({ model: "nothing", prompt: "a cat" })).text();
    await (await fetch(`${house.url}/nothing`, { headers: { authorization } })).text();
    await (await fetch(`${house.url}/v1/models/nothing`, { headers: { authorization } })).text();
    await (await fetch(`${house.url}/images/nothing`)).text();
    await (await fetch(`${house.url}/metrics`)).text();
    const lines = async () => {
      const page = await (await fetch(`${house.url}/metrics`)).text();
      return page
        .split("\n")
        .filter((line) => line.startsWith("pictor_"))
        .map((line) => line.replace(/ \S+$/, ""));
    };
    const before = await lines();
    // One label for each would show with the first.
    for (const index of [1, 2]) {
      await (await house.generate({ model: `unknown-${index}`, prompt: "a cat" })).text();
      await (await house.generate({ model: "acme/open", prompt: "a cat", [`own_${index}`]: 1 })).text();
      await (await fetch(`${house.url}/unknown/${index}`, { headers: { authorization } })).text();
      await (await fetch(`${house.url}/v1/models/unknown-${index}`, { headers: { authorization } })).text();
      await (await fetch(`${house.url}/images/unknown-${index}`)).text();
    }
    expect(await lines()).to.deep.equal(before);
  });
});
