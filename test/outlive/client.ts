// A client of the gateway that asks until it has an answer, as OpenAI's SDKs do, but with shorter pauses.
import { setTimeout as delay } from "node:timers/promises";
import { solidPng } from "../../src/picture/png.ts";
import type { Wish } from "./load.ts";

/** A picture as it came. */
interface Came {
  picture: Buffer;
  /** Its URL, where it came as one. */
  url?: string;
  /** True where the answer says that the picture could not be stored. */
  isUnstored: boolean;
}

/** What a client has in the end. */
export interface Outcome extends Partial<Came> {
  /** The error that it was told, where there is no picture. */
  told?: string;
  began: number;
  ended: number;
  attempts: number;
}

interface Around {
  /** Where the gateway is; asked anew for each attempt. */
  url: () => string;
  key: string;
  /** Milliseconds for which the client asks. */
  longest: number;
}

/** Ask for a wish until there is a picture, or an error that is not to be retried. Rejects with nothing. */
export async function ask(wish: Wish, around: Around): Promise<Outcome> {
  const began = performance.now();
  const until = began + around.longest;
  let told = "no answer in time";
  let attempts = 0;
  const ended = (more: Partial<Came> & { told?: string }): Outcome => ({ ...more, began, ended: performance.now(), attempts });
  for (; performance.now() < until; attempts += 1) {
    if (attempts > 0) await delay(30 + Math.random() * 70);
    const answer = await send(wish, attempts, around).catch((error: unknown): Answer => ({ again: true, told: messageOf(error) }));
    if (answer.came) return ended(answer.came);
    if (answer.job !== undefined) return ended(await followJob(answer.job, around, until));
    told = answer.told ?? told;
    if (!answer.again) return ended({ told });
  }
  return ended({ told: `it gave up: ${told}` });
}

/** One attempt's answer: a picture, a job, or an error. */
interface Answer {
  came?: Came;
  job?: string;
  told?: string;
  /** True where the client asks once more. */
  again?: boolean;
}

async function send(wish: Wish, attempts: number, around: Around): Promise<Answer> {
  const { id, name, isJob, streams, patience } = wish;
  const headers = {
    authorization: `Bearer ${around.key}`,
    ...(name === "key" && { "idempotency-key": `key-${id.replace("walrus", "w")}` }),
    ...(name === "count" && { "x-stainless-retry-count": String(attempts) }),
    ...(isJob && { prefer: "respond-async" }),
  };
  const { path, body, type } = bodyOf(wish);
  // A client that gives up each time would never have its picture.
  const signal = AbortSignal.timeout(patience !== undefined && attempts < 3 ? patience : around.longest);
  const response = await fetch(`${around.url()}${path}`, { method: "POST", headers: { ...headers, ...type }, body, signal });
  if (!response.ok) return failed(response);
  if (streams) return { again: false, ...(await streamed(response, around).catch((error: unknown) => brokenStream(wish, error))) };
  const answer = (await response.json()) as { id?: string; data?: { b64_json?: string; url?: string }[] };
  if (isJob) return { job: String(answer.id) };
  return { came: await pictureIn(answer.data?.[0] ?? {}, answer, around) };
}

/** A stream that broke off is an SDK's error, and a client without a key cannot name it any more. */
function brokenStream({ name }: Wish, error: unknown): Answer {
  return { again: name === "key", told: `the stream broke off: ${messageOf(error)}` };
}

async function failed(response: Response): Promise<Answer> {
  const advice = response.headers.get("x-should-retry");
  const { status } = response;
  const isPassing = status === 408 || status === 409 || status === 429 || status >= 500;
  return { again: advice === null ? isPassing : advice === "true", told: `${status} ${(await response.text()).slice(0, 300)}` };
}

async function followJob(id: string, around: Around, until: number): Promise<Partial<Came> & { told?: string }> {
  let told = "the job did not end in time";
  const { url, key } = around;
  while (performance.now() < until) {
    try {
      const response = await fetch(`${url()}/v1/images/jobs/${id}`, { headers: { authorization: `Bearer ${key}` } });
      if (response.ok) {
        const job = (await response.json()) as { status: string; result?: { data: { url?: string; b64_json?: string }[] }; error?: object };
        if (job.status === "completed") return await pictureIn(job.result?.data[0] ?? {}, job, around);
        if (job.status !== "queued" && job.status !== "in_progress")
          return { told: `the job is ${job.status}: ${JSON.stringify(job.error)}` };
        told = `the job is ${job.status} still`;
      } else if (response.status < 500) return { told: `the job: ${response.status} ${await response.text()}` };
    } catch (error) {
      told = messageOf(error);
    }
    await delay(60);
  }
  return { told };
}

async function streamed(response: Response, around: Around): Promise<Answer> {
  const events = (await response.text()).split("\n\n").flatMap((event) => /^data: (\{.*\})$/m.exec(event)?.[1] ?? []);
  const last = JSON.parse(events.at(-1) ?? "{}") as { type?: string; b64_json?: string; url?: string; error?: object };
  if (last.type?.endsWith(".completed")) return { came: await pictureIn(last, last, around) };
  if (last.error) return { told: `the stream said: ${JSON.stringify(last.error)}` };
  throw new Error("no last event");
}

/** The picture of an answer. A URL is fetched until whoever serves it can be reached. */
async function pictureIn({ b64_json, url }: { b64_json?: string; url?: string }, answer: object, around: Around): Promise<Came> {
  const isUnstored = JSON.stringify({ ...answer, b64_json: "" }).includes("the picture could not be stored");
  if (b64_json !== undefined) return { picture: Buffer.from(b64_json, "base64"), isUnstored };
  for (const until = performance.now() + around.longest; ;) {
    try {
      const response = await fetch(String(url));
      if (response.ok) return { picture: Buffer.from(await response.arrayBuffer()), url, isUnstored };
      if (response.status < 500) return { picture: Buffer.from(`the picture: ${response.status}`), url, isUnstored };
      throw new Error(`the picture: ${response.status}`);
    } catch (error) {
      if (performance.now() > until) throw error;
      await delay(60);
    }
  }
}

const image = solidPng(16, 16);

function bodyOf({ id, edit, model, streams, asks }: Wish): { path: string; body: string | FormData; type: Record<string, string> } {
  const fields = { model, prompt: `a ${id} of the sea`, response_format: asks, ...(streams && { stream: true, partial_images: 1 }) };
  const type = { "content-type": "application/json" };
  if (edit === undefined) return { path: "/v1/images/generations", body: JSON.stringify(fields), type };
  const path = "/v1/images/edits";
  const data = `data:image/png;base64,${image.toString("base64")}`;
  if (edit === "json") return { path, body: JSON.stringify({ ...fields, image: data }), type };
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.set(field, String(value));
  form.set("image", new Blob([image], { type: "image/png" }), "image.png");
  return { path, body: form, type: {} };
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
