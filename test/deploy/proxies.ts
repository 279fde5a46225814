// Tries the gateway behind nginx and Caddy with the files of deploy/: a slow picture, a stream, an upload of 30 MB, what stays inside.
// Usage: node dist/test/deploy/proxies.js NGINX CADDY [SECONDS], programs, and how long the slow picture takes.
import { expect } from "chai";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import OpenAI, { toFile } from "openai";
import sharp from "sharp";
import { serve } from "../../src/process/serve.ts";
import { freePort } from "../helpers/port.ts";
import { httpProvider } from "../helpers/provider.ts";
import { startNginx, startProxy } from "./proxy.ts";

const [nginx = "nginx", caddy = "caddy", given = "3"] = process.argv.slice(2);
const slow = Number(given);

const noise = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "black", noise: { type: "gaussian", mean: 128, sigma: 60 } } });
const picture = (await noise(64, 64).png().toBuffer()).toString("base64");
const upload = await noise(3400, 3100).png({ compressionLevel: 0 }).toBuffer();
let orders = 0;
let received = 0;

/** A provider that takes its time: a stream has its first picture at once, and the last one when the time is over. */
async function provide(request: IncomingMessage, response: ServerResponse): Promise<void> {
  orders += 1;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  received = body.length;
  if (request.url?.endsWith("/edits")) return void response.end(JSON.stringify({ created: 1, data: [{ b64_json: picture }] }));
  if (!body.includes('"stream":true')) {
    await delay(slow * 1000);
    return void response.end(JSON.stringify({ created: 1, data: [{ b64_json: picture }] }));
  }
  response.setHeader("content-type", "text/event-stream");
  const event = (type: string, more: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, b64_json: picture, created_at: 1, ...more })}\n\n`);
  event("image_generation.partial_image", { partial_image_index: 0 });
  await delay(slow * 1000);
  event("image_generation.completed", {});
  response.end();
}

async function judge(name: string, proxy: string): Promise<void> {
  const client = new OpenAI({ baseURL: `${proxy}/v1`, apiKey: "a-key-of-the-test", maxRetries: 0 });
  const request = { model: "gpt-image-2.6-flare", prompt: "a lighthouse" } as const;
  orders = 0;
  const began = performance.now();
  const [whole, first] = await Promise.all([
    client.images.generate(request),
    (async () => {
      const seen: { type: string; after: number }[] = [];
      for await (const { type } of await client.images.generate({ ...request, stream: true, partial_images: 1 }))
        seen.push({ type, after: (performance.now() - began) / 1000 });
      return seen;
    })(),
  ]);
  expect(whole.data?.[0]?.b64_json, name).to.be.a("string");
  expect(first.map(({ type }) => type)).to.deep.equal(["image_generation.partial_image", "image_generation.completed"]);
  // The first picture of a stream comes long before the last one.
  expect(first[0]!.after, `${name} holds streams back`).to.be.below(slow * 0.7);
  expect(first[1]!.after).to.be.at.least(slow);
  const edited = await client.images.edit({ ...request, image: await toFile(upload, "large.png", { type: "image/png" }) });
  expect(edited.data).to.have.length(1);
  expect(received, name).to.be.above(upload.length);
  expect(orders, name).to.equal(3);
  const stored = await client.images.generate({ ...request, response_format: "url" });
  expect(stored.data?.[0]?.url, name).to.match(new RegExp(`^${proxy}/images/`));
  for (const path of ["metrics", "readyz", "livez", "admin/keys"])
    expect((await fetch(`${proxy}/${path}`)).status, `${name}: ${path}`).to.equal(404);
  const megabytes = Math.round(upload.length / 1e6);
  process.stdout.write(
    `${name}: a picture of ${slow} s, a stream whose first picture came after ${first[0]!.after.toFixed(1)} s, ${megabytes} MB sent\n`,
  );
}

const folder = await mkdtemp(join(tmpdir(), "pictor-proxies-"));
const provider = await httpProvider((request, response) => void provide(request, response));
const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true }), () => provider.close()];
try {
  const acme = { extends: "gpt-image", base_url: provider.url, keys: ["${env.ACME_API_KEY}"] };
  const gateway = await serve(
    {
      ...{ PORT: "0", LOG_LEVEL: "silent", PICTOR_API_KEYS: "a-key-of-the-test", ACME_API_KEY: "k", PICTOR_TRUST_PROXY: "on" },
      PICTOR_DATA: join(folder, "data"),
      PICTOR_CHANNELS_JSON: JSON.stringify({ acme }),
    },
    () => undefined,
  );
  closing.push(() => gateway.close());
  const { host } = new URL(gateway.url);
  const ports = [await freePort(), await freePort()] as const;
  // One of two instances is away, as while it is restarted.
  const site = { port: ports[0], servers: [`127.0.0.1:${await freePort()}`, host] };
  const first = await startNginx(nginx, folder, site);
  closing.push(() => first.stop());

  const options = "{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n";
  const caddyfile = (await readFile("deploy/Caddyfile", "utf8"))
    .replaceAll("127.0.0.1:8080", host)
    .replace("images.example.com", `http://127.0.0.1:${ports[1]}`);
  await writeFile(join(folder, "Caddyfile"), options + caddyfile);
  const args = ["run", "--config", join(folder, "Caddyfile"), "--adapter", "caddyfile"];
  const home = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const second = await startProxy(caddy, args, `http://127.0.0.1:${ports[1]}/docs`, home);
  closing.push(() => second.stop());
  await judge("nginx", `http://127.0.0.1:${ports[0]}`);
  await judge("caddy", `http://127.0.0.1:${ports[1]}`);
} finally {
  for (const close of closing.reverse()) await close();
}
