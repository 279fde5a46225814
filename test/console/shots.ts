// Takes pictures of the console, to be looked at: run.sh --shots FOLDER.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { draw as drawn } from "../../src/demo/draw.ts";
import { answerPicture, startConsoleHouse } from "./house.ts";
import { choose, draw, field, press, result, until } from "./moves.ts";

const folder = process.argv[2] ?? "shots";
await mkdir(folder, { recursive: true });
const house = await startConsoleHouse();
const { client, operator } = house.keys;

const scenes = [
  "a lighthouse at dusk",
  "a fox in the snow",
  "mountains by night",
  "a boat on a lake",
  "an orchard in May",
  "rain over the harbour",
];
const order = async (model: string, prompt: string, size: string) => {
  const response = await fetch(`${house.url}/v1/images/generations`, {
    method: "POST",
    headers: { authorization: `Bearer ${client}`, "content-type": "application/json" },
    body: JSON.stringify({ model, prompt, size, response_format: "url" }),
  });
  await response.arrayBuffer();
};
let isDull = false;
house.provider.answer = (_request, response) => {
  if (isDull) {
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "this prompt is too dull", code: "dull", type: "invalid_request_error" } }));
    return;
  }
  const scene = { prompt: "from the provider", width: 1024, height: 1024, format: "png", seed: 7 } as const;
  void drawn(scene).then((picture) => setTimeout(() => answerPicture(response, picture), 1200));
};
const sizes = ["16:9", "1:1", "9:16", "3:2"];
for (const [index, prompt] of [...scenes, ...scenes].entries()) await order("demo", prompt, sizes[index % sizes.length]!);
for (const prompt of scenes.slice(0, 3)) await order("acme-1", prompt, "1024x1024");
isDull = true;
await order("acme-1", "a dull cat", "1024x1024");
isDull = false;

const phone: BrowserContextOptions = { viewport: { width: 390, height: 844 } };
const dark: BrowserContextOptions = { colorScheme: "dark" };

/** Save what the page shows now. */
async function save(page: Page, name: string): Promise<void> {
  // Pictures below the fold are loaded when they are seen.
  const seen = "[...document.images].filter((image) => image.getBoundingClientRect().top < innerHeight)";
  await until(page, `${seen}.every(({ complete, naturalWidth }) => complete && naturalWidth > 0)`);
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

async function withPage(name: string, options: Parameters<typeof house.open>[1], move: (page: Page) => Promise<void>, hash = "") {
  const page = await house.open(hash, options);
  await move(page);
  await save(page, name);
  await page.context().close();
}

const drawScene = async (page: Page) => {
  await choose(page, "demo");
  await field(page, "Size").selectOption("16:9");
  await draw(page, "a lighthouse at dusk, seen from the sea");
  await result(page);
};
const maskScene = async (page: Page) => {
  await drawScene(page);
  await press(page, "Edit");
  await press(page, "Draw a mask");
  await until(page, "document.querySelector('dialog canvas').width > 300");
  const box = (await page.locator("dialog canvas").boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.1, box.y + box.height * 0.15);
  await page.mouse.down();
  for (const [x, y] of [
    [0.9, 0.15],
    [0.9, 0.25],
    [0.1, 0.25],
  ] as const)
    await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 6 });
  await page.mouse.up();
};
const failedScene = async (page: Page) => {
  await field(page, "State").selectOption("failed");
  await until(page, "[...document.querySelectorAll('tbody .state')].every(({ innerText }) => innerText === 'failed')");
  await page.locator("tbody a").first().click();
  await page.getByRole("alert").getByText("too dull").waitFor();
};

await withPage("draw", {}, drawScene);
await withPage("draw-phone-dark", { ...phone, ...dark }, drawScene);
await withPage("mask", {}, maskScene);
await withPage("mask-phone-dark", { ...phone, ...dark }, maskScene);
await withPage("pictures", dark, (page) => page.locator(".gallery img").nth(8).waitFor(), "#/pictures");
await withPage("pictures-phone", phone, (page) => page.locator(".gallery img").nth(3).waitFor(), "#/pictures");
await withPage("failed", {}, failedScene, "#/requests");
await withPage("failed-phone-dark", { ...phone, ...dark }, failedScene, "#/requests");
const rows = (page: Page) => page.getByRole("row").nth(1).waitFor();
await withPage("requests-phone", { ...phone, key: operator }, rows, "#/requests");
await withPage("requests", { key: operator }, rows, "#/requests");
await withPage("channels", { key: operator }, rows, "#/channels");
await withPage("channels-phone-dark", { ...phone, ...dark, key: operator }, rows, "#/channels");
await withPage("usage", { ...dark, key: operator }, rows, "#/usage");
const keysScene = async (page: Page) => {
  await field(page, "Name").fill("a-friend");
  await field(page, "Budget in USD").fill("5");
  await press(page, "Add a key");
  await page.getByText("$5.00 in total").waitFor();
};
await withPage("keys", { key: operator }, keysScene, "#/keys");
await withPage("keys-phone", { ...phone, key: operator }, rows, "#/keys");
await withPage("explain", { key: operator }, (page) => field(page, "Prompt").fill("a cat"));
await withPage("sign-in-phone", { ...phone, key: "" }, (page) => field(page, "Key").waitFor());
await house.close();
