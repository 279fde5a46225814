// Starts the provider, and checks that each peer passes on what it gives.
import { join } from "node:path";
import { freePort } from "../test/helpers/port.ts";
import { bytesOf, waiting, type Case, type Model, type Traffic } from "./cases.ts";
import { contentOf, isThroughDoor } from "./measure.ts";
import type { Peer } from "./peers.ts";
import { listening, pinned, run, type Running } from "./processes.ts";
import { pictureOf, put, scratch, type Tools } from "./tools.ts";

/** The provider, and what it gives. */
export interface Provider {
  port: number;
  process: Running;
  /** The picture behind each model's answer; absent where the answer is a URL that nobody fetches. */
  pictures: Partial<Record<Model, Buffer>>;
  upload: Buffer;
  /** The fewest bytes that a right answer has. */
  least: (peer: Peer, traffic: Traffic) => number;
}

/** Start the provider with all its answers. */
export async function startProvider(tools: Tools, quick: boolean): Promise<Provider> {
  const port = await freePort();
  const [medium, large] = [pictureOf(bytesOf.small * 0.75), pictureOf(bytesOf.large * 0.75)];
  const url = `http://127.0.0.1:${port}/picture.png`;
  const json = (name: string, picture: object) => put(`${name}.json`, JSON.stringify({ created: 1_700_000_000, data: [picture] }));
  const small = json("small", { url: smallUrl });
  const answers: [name: string, milliseconds: number, type: string, file: string][] = [
    ["small", 0, "application/json", small],
    ["slow", 100, "application/json", small],
    ["waiting", (quick ? waiting.quick : waiting.full).milliseconds, "application/json", small],
    ["edits", 0, "application/json", small],
    ["b64-2m", 0, "application/json", json("b64-2m", { b64_json: medium.toString("base64") })],
    ["b64-20m", 0, "application/json", json("b64-20m", { b64_json: large.toString("base64") })],
    ["url-20m", 0, "application/json", json("url-20m", { url })],
    ["picture.png", 0, "image/png", put("picture.png", large)],
  ];
  const log = join(scratch, "provider.log");
  const process = run(pinned("0", [...tools.stub, String(port), ...answers.map((answer) => answer.join(":"))]), log);
  await listening(process, port, log);
  const pictures: Provider["pictures"] = { "b64-2m": medium, "b64-20m": large, "url-20m": large };
  const least: Provider["least"] = (peer, { model, format }) =>
    peer.name === "direct" || format === "url" ? 40 : Math.ceil((pictures[model]?.length ?? 0) / 3) * 4;
  return { port, process, pictures, upload: pictureOf(bytesOf.upload), least };
}

const smallUrl = "http://127.0.0.1/a-picture-that-nobody-fetches.png";

/** See that a peer answers right, to the byte. Resolves with its memory before it had anything large to do, in bytes. */
export async function checkPeer(peer: Peer, each: Case, provider: Provider): Promise<number> {
  for (let count = 0; count < 20; count += 1) await checkAnswer(peer, { model: "small", format: "url" }, provider);
  const idle = peer.process?.memory() ?? 0;
  if (!each.once) await checkAnswer(peer, each, provider, each.upload === undefined ? undefined : provider.upload);
  if (each.beside) await checkAnswer(peer, each.beside, provider);
  return idle;
}

/** An answer of OpenAI's API, or of Gemini's. */
interface Answer {
  data?: { url?: string; b64_json?: string }[];
  candidates?: { content: { parts: { inlineData: { data: string } }[] } }[];
}

type Asked = Pick<Traffic, "model" | "format">;

async function checkAnswer(peer: Peer, { model, format }: Asked, provider: Provider, upload?: Buffer): Promise<void> {
  const { path, type, body } = contentOf(peer, { model, format }, upload);
  const headers = { ...peer.headers, "content-type": type };
  const response = await fetch(`http://127.0.0.1:${peer.port}${path}`, { method: "POST", headers, body: new Uint8Array(body) });
  const text = await response.text();
  const wrong = (what: string) => new Error(`${model} was answered with ${what}: ${text.slice(0, 200)}`);
  if (response.status !== 200) throw wrong(`status ${response.status}`);
  if (upload) {
    const received = Number(await (await fetch(`http://127.0.0.1:${provider.port}/received`)).text());
    if (received < upload.length) throw wrong(`only ${received} bytes uploaded`);
  }
  const answer = JSON.parse(text) as Answer;
  const picture = provider.pictures[model];
  // Without a proxy the answer is as the provider gives it.
  if (peer.name === "direct") return;
  const inline = answer.candidates?.[0]?.content.parts[0]?.inlineData.data;
  const { url, b64_json } = isThroughDoor(peer, { format }) ? { b64_json: inline } : (answer.data?.[0] ?? {});
  if (!picture) {
    if (url !== smallUrl) throw wrong("another URL");
  } else if (format === "b64_json") {
    if (b64_json !== picture.toString("base64")) throw wrong("another picture");
  } else {
    const stored = Buffer.from(await (await fetch(url ?? "")).arrayBuffer());
    if (!stored.equals(picture)) throw wrong("the URL of another picture");
  }
}
