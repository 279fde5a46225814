// Judges the YAML, JSON and Dockerfile blocks of a page that are no file of their own.
import { expect } from "chai";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { channelFileSchema } from "../../src/channels/grammar.ts";
import { jobEvent } from "../../src/gateway/job-event.ts";
import type { Delivery } from "../../src/ledger/deliveries.ts";
import type { PictureStore } from "../../src/picture/store.ts";
import { environmentDefaults, environmentNames } from "../../src/process/environment.ts";
import { readGatewayFile } from "../../src/process/gateway-file.ts";
import { gatewayFileSchema } from "../../src/process/gateway-schema.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { createAjv } from "../../src/schema/ajv.ts";
import { loadFiles } from "../helpers/channels.ts";
import { rowAt } from "../ledger/suite.ts";

const head = "extends: openai-images\nbase_url: https://api.acme.example/v1\n";
const channel = `${head}models: { demo: {} }\n`;

/** Check YAML that is a part of a channel, of its plugins, a `gateway.yaml`, rules of alerts or a container. */
export async function judgeYaml(code: string, { url, folder }: { url: string; folder: string }): Promise<void> {
  const value = parse(code) as unknown;
  if (Array.isArray(value)) {
    const files = value.map((plugin, index) => [`part-${index}.yaml`, `${channel}plugins: [${JSON.stringify(plugin)}]\n`]);
    await loadFiles(Object.fromEntries(files) as Record<string, string>);
    return;
  }
  const keys = Object.keys(value as object);
  const within = (known: object) => keys.every((key) => Object.hasOwn(known, key));
  if (keys.includes("groups")) judgeAlerts(code);
  else if (keys.includes("containers")) await judgeContainer(value as Pod, url);
  else if (within(gatewayFileSchema.properties)) {
    const file = join(folder, "gateway.yaml");
    await writeFile(file, code);
    await readGatewayFile(file, { MOBILE_APP_KEY: "sk-mobile" });
    await rm(file);
  } else {
    const { properties = {} } = channelFileSchema(await loadPlugins([shippedPlugins])) as { properties?: object };
    expect(within(properties), `no test knows what this is:\n${code}`).to.equal(true);
    await loadFiles({ "part.yaml": (keys.includes("models") ? head : channel) + code });
  }
}

/** Alerts name metrics and labels that are there. */
function judgeAlerts(code: string): void {
  const { groups } = parse(code) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const known = new Map(
    createMetrics()
      .registry.getMetricsAsArray()
      .map((metric) => [metric.name, (metric as { labelNames?: string[] }).labelNames ?? []]),
  );
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    const metrics = [...expr.matchAll(/(pictor_\w+)(?:\{([^}]*)\})?/g)];
    if (metrics.length === 0) expect(expr, alert).to.match(/^up\{/);
    const labels = metrics.flatMap(([, metric = "", selector = ""]) => {
      const name = known.has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, "");
      expect([...known.keys()], alert).to.include(name);
      for (const [, label = ""] of selector.matchAll(/(\w+)=/g)) expect(known.get(name), `${alert}: ${label}`).to.include(label);
      return [...known.get(name)!, "le"];
    });
    for (const [, by = ""] of expr.matchAll(/by \(([^)]*)\)/g)) expect(labels, alert).to.include.members(by.split(", "));
  }
}

interface Pod {
  terminationGracePeriodSeconds: number;
  containers: { env: { name: string; value: string }[]; livenessProbe: Probe; readinessProbe: Probe }[];
}

interface Probe {
  httpGet: { path: string };
}

/** Probes are answered, variables are known, and there is time to shut down. */
async function judgeContainer({ terminationGracePeriodSeconds: grace, containers }: Pod, url: string): Promise<void> {
  for (const { env, livenessProbe, readinessProbe } of containers) {
    for (const { httpGet } of [livenessProbe, readinessProbe]) expect((await fetch(url + httpGet.path)).status, httpGet.path).to.equal(200);
    for (const { name } of env) expect(Object.keys(environmentNames)).to.include(name);
    const pause = Number(env.find(({ name }) => name === "PICTOR_SHUTDOWN_PAUSE")?.value ?? environmentDefaults.PICTOR_SHUTDOWN_PAUSE);
    expect(grace).to.be.above(pause + Number(environmentDefaults.PICTOR_SHUTDOWN_SECONDS));
  }
}

/** JSON that is the event of a job, or a keyword of a model's schema. What answers look like is compared with an answer. */
export async function judgeJson(code: string, place: string): Promise<void> {
  const value = JSON.parse(code) as Record<string, unknown>;
  if (value.object === "event") {
    const delivery = { id: "evt_1", type: "image.job.completed", createdAt: 0 } as Delivery;
    const row = rowAt(0, { pictures: [{ stored: "a", mediaType: "image/png", width: 1, height: 1 }] });
    judgeAnswer(value, JSON.parse(await jobEvent(delivery, row, { publicUrl: "http://g.example", store: {} as PictureStore })), place);
    return;
  }
  expect(Object.keys(value), `no test knows what this is:\n${code}`).to.deep.equal(["x-size"]);
  createAjv().compile({ type: "string", ...value });
}

/** Every key of an answer that a page shows is in the real one, with a value of the same type. */
export function judgeAnswer(shown: unknown, real: unknown, place: string): void {
  if (typeof shown !== "object" || shown === null) return void expect(typeof real, place).to.equal(typeof shown);
  for (const [key, value] of Object.entries(shown)) {
    expect(Object.keys(real as object), place).to.include(key);
    judgeAnswer(value, (real as Record<string, unknown>)[key], place);
  }
}

/** Images have a Node that the package takes, variables are known, and the command is there. */
export async function judgeDockerfile(code: string): Promise<void> {
  const { bin, engines, scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
    bin: Record<string, string>;
    engines: { node: string };
    scripts: Record<string, string>;
  };
  const [, least = ""] = /^>=(\d+)/.exec(engines.node) ?? [];
  for (const [, major] of code.matchAll(/^FROM node:(\d+)/gm)) expect(Number(major)).to.be.at.least(Number(least));
  const [, env = ""] = /^ENV (.*)$/m.exec(code) ?? [];
  for (const variable of env.split(" ")) {
    const [name = "", value = ""] = variable.split("=");
    if (name !== "NODE_OPTIONS") expect(Object.keys(environmentNames)).to.include(name);
    else expect(scripts.start).to.include(value || "nothing");
  }
  const [command, ...args] = JSON.parse(/^CMD (.*)$/m.exec(code)?.[1] ?? "[]") as string[];
  expect(Object.keys(bin)).to.include(command);
  expect(scripts.start).to.include(args.join(" "));
}
