// A gateway with the demo and a scripted provider, and a browser to look at it with.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { partsOf } from "../../src/net/parts.ts";
import { solidPng } from "../../src/picture/png.ts";
import { channelsWith, startProcess, urlOf } from "../process/serve-process.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const acme = `
description: A scripted provider.
extends: openai-images
base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
price: [{ bill: output_image, usd: 0.04 }]
plugins: [image-inputs]
models: { acme-1: { schema: demo } }
`;

/** The parts of a form that the provider was sent. */
export type Parts = Awaited<ReturnType<typeof partsOf>>;

/** The provider: how it answers, and the forms that it got. */
export interface Provider {
  answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
  forms: Parts[];
}

export interface ConsoleHouse {
  url: string;
  /** The client's key, and the operator's. */
  keys: { client: string; operator: string };
  provider: Provider;
  /** A page of the console, after the key was given; all that goes wrong in it is told at the end by `faults`. */
  open(hash?: string, options?: BrowserContextOptions & { key?: string; context?: BrowserContext }): Promise<Page>;
  /** Complaints of all pages so far: of the browser's console, of scripts, and requests to other origins. */
  faults: string[];
  close(): Promise<void>;
}

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"];

export const picture = solidPng(640, 480);

/** Answer as OpenAI does, with one picture. */
export function answerPicture(response: ServerResponse, made = picture): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ created: 1, data: [{ b64_json: made.toString("base64"), revised_prompt: "a <b>bold</b> cat" }] }));
}

export async function startConsoleHouse(): Promise<ConsoleHouse> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-console-"));
  const provider: Provider = { answer: (_request, response) => answerPicture(response), forms: [] };
  const server = createServer((request, response) => {
    void buffer(request).then(async (body) => {
      const type = request.headers["content-type"] ?? "";
      if (type.startsWith("multipart/")) provider.forms.push(await partsOf(body, type));
      provider.answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const keys = { client: "sk-console-client", operator: "the-operators-key" };
  const { PICTOR_CHANNELS } = await channelsWith(folder);
  await channelsWith(folder, { "acme.yaml": acme });
  const gateway = startProcess(
    {
      PICTOR_CHANNELS,
      PICTOR_DEMO: "on",
      PICTOR_API_KEYS: `${keys.client},sk-other-client`,
      PICTOR_ADMIN_KEY: keys.operator,
      ACME_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      ACME_API_KEY: "acme-secret",
      PICTOR_SHUTDOWN_SECONDS: "1",
      LOG_LEVEL: "warn",
    },
    folder,
  );
  const url = await urlOf(gateway);
  const browser: Browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
  const faults: string[] = [];
  const isDescribed = await describedAt(url);

  const open: ConsoleHouse["open"] = async (hash = "", { key = keys.client, context: own, ...options } = {}) => {
    const context = own ?? (await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options }));
    const page = await context.newPage();
    watch(page, { origin: url, faults, isDescribed });
    await page.goto(`${url}/console${hash}`);
    if (key !== "") {
      await page.getByLabel("Key", { exact: true }).fill(key);
      await page.getByRole("button", { name: "Open" }).click();
      await page.getByRole("navigation", { name: "Parts" }).waitFor();
    }
    return page;
  };
  const close = async () => {
    await browser.close();
    gateway.child.kill("SIGTERM");
    await gateway.ended;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  };
  return { url, keys, provider, open, faults, close };
}

/** True for a request that the description of the interface has. */
type IsDescribed = (method: string, path: string) => boolean;

async function describedAt(url: string): Promise<IsDescribed> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
  const known = Object.entries(paths).map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`),
    methods: Object.keys(methods),
  }));
  return (method, path) => known.some(({ pattern, methods }) => pattern.test(path) && methods.includes(method.toLowerCase()));
}

interface Watched {
  origin: string;
  faults: string[];
  isDescribed: IsDescribed;
}

function watch(page: Page, { origin, faults, isDescribed }: Watched): void {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("request", (request) => {
    if (/^(data|blob):/.test(request.url())) return;
    const { origin: asked, pathname } = new URL(request.url());
    // The page itself and its assets are no part of the interface.
    if (asked !== origin || (!pathname.startsWith("/console") && !isDescribed(request.method(), pathname)))
      faults.push(`asked ${request.method()} ${request.url()}, which is not described`);
  });
}

/** A finding that axe reports. */
interface Report {
  violations: { id: string; impact: string; nodes: { html: string }[] }[];
}

/** The page as axe sees it: nothing that keeps people out. */
export async function expectAccessible(page: Page): Promise<void> {
  // The policy of the page lets no script of ours in by its address.
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = await page.evaluate<Report>("axe.run()");
  const told = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
  expect(told).to.deep.equal([]);
}
