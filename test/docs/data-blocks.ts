// Judges the YAML and JSON blocks of a page that are no file of their own.
import { expect } from "chai";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { channelFileSchema } from "../../src/channels/grammar.ts";
import { jobEvent } from "../../src/gateway/job-event.ts";
import type { Delivery } from "../../src/ledger/deliveries.ts";
import type { PictureStore } from "../../src/picture/store.ts";
import { readGatewayFile } from "../../src/process/gateway-file.ts";
import { gatewayFileSchema } from "../../src/process/gateway-schema.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { createAjv } from "../../src/schema/ajv.ts";
import { loadFiles } from "../helpers/channels.ts";
import { rowAt } from "../ledger/suite.ts";

const head = "extends: openai-images\nbase_url: https://api.acme.example/v1\n";
const channel = `${head}models: { demo: {} }\n`;

interface Collector {
  receivers: object;
  exporters: object;
  service: { pipelines: Record<string, { receivers: string[]; exporters: string[] }> };
}

/** The pipelines of a collector of traces name what it has. */
function judgeCollector({ receivers, exporters, service: { pipelines } }: Collector): void {
  expect(pipelines).to.have.all.keys("traces");
  expect(pipelines.traces?.receivers).to.have.members(Object.keys(receivers));
  expect(pipelines.traces?.exporters).to.have.members(Object.keys(exporters));
}

/** Check YAML that is a part of a channel, of its plugins, a `gateway.yaml`, or what a collector of traces reads. */
export async function judgeYaml(code: string, folder: string): Promise<void> {
  const value = parse(code) as unknown;
  if (Array.isArray(value)) {
    const files = value.map((plugin, index) => [`part-${index}.yaml`, `${channel}plugins: [${JSON.stringify(plugin)}]\n`]);
    await loadFiles(Object.fromEntries(files) as Record<string, string>);
    return;
  }
  const keys = Object.keys(value as object);
  const within = (known: object) => keys.every((key) => Object.hasOwn(known, key));
  if (keys.includes("receivers")) judgeCollector(value as Collector);
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
