// The request that a form stands for: as it is sent, and as other programs would write it.
import { call, get, urlOf } from "./api.ts";
import type { Draft } from "./draft.ts";
import type { MatrixRow } from "./model.ts";
import { valueOf, type Field } from "./schema.ts";

/** A request for pictures, ready to be sent or shown. */
export interface Order {
  path: "v1/images/generations" | "v1/images/edits";
  /** The fields of the request. */
  fields: Record<string, unknown>;
  /** The way to answer it: the console wants it kept, and shown while it is made. */
  manner: Record<string, unknown>;
  images: Draft["images"];
  mask: Blob | undefined;
}

/** Unfinished pictures that are asked for where they are wanted: more cost more. */
const sketches = 2;

/** The order of a form. Throws a SyntaxError for JSON that is none. */
export function orderOf({ model, prompt, fields, isWatched, images, mask }: Draft, known: readonly Field[], row?: MatrixRow): Order {
  const written = known.flatMap((field): [string, unknown][] => {
    const value = valueOf(field, fields[field.name] ?? "");
    return value === undefined ? [] : [[field.name, value]];
  });
  const watched = isWatched && row?.streams === true;
  return {
    path: images.length > 0 ? "v1/images/edits" : "v1/images/generations",
    fields: { model, prompt, ...Object.fromEntries(written) },
    // Base64 is kept by the gateway; the URL of a provider could not be shown here.
    manner: { response_format: "b64_json", ...(watched && { stream: true, partial_images: sketches }) },
    images,
    mask,
  };
}

interface Body {
  body: string | FormData;
  headers: Record<string, string>;
}

function bodyOf({ fields, manner, images, mask }: Order): Body {
  const all = { ...fields, ...manner };
  if (images.length === 0) return { body: JSON.stringify(all), headers: { "content-type": "application/json" } };
  const form = new FormData();
  for (const [name, value] of Object.entries(all)) form.append(name, typeof value === "string" ? value : JSON.stringify(value));
  for (const { name, blob } of images) form.append("image[]", blob, name);
  if (mask) form.append("mask", mask, "mask.png");
  return { body: form, headers: {} };
}

/** Begin it as a job, and give the job's id. Throws an `ApiError` where it is refused. */
export async function begin(order: Order): Promise<string> {
  const { body, headers } = bodyOf(order);
  const response = await call(order.path, { method: "POST", body, headers: { ...headers, prefer: "respond-async" } });
  return ((await response.json()) as { id: string }).id;
}

/** Ask something about it that orders nothing. */
export function ask<T>(order: Order, path: "v1/images/estimate" | "v1/images/explain", signal: AbortSignal): Promise<T> {
  return get<T>(path, { method: "POST", signal, ...bodyOf(order) });
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The command that sends the very same. */
export function asCurl({ path, fields, manner, images, mask }: Order): string {
  const head = [`curl -s ${urlOf(path)}`, `-H "authorization: Bearer $PICTOR_KEY"`, `-H "prefer: respond-async"`];
  const all = { ...fields, ...manner };
  if (images.length === 0) return [...head, `-H "content-type: application/json"`, `-d ${quoted(JSON.stringify(all))}`].join(" \\\n  ");
  const texts = Object.entries(all).map(
    ([name, value]) => `-F ${quoted(`${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`,
  );
  const files = images.map(({ name }) => `-F ${quoted(`image[]=@${name}`)}`);
  return [...head, ...texts, ...files, ...(mask ? ["-F mask=@mask.png"] : [])].join(" \\\n  ");
}

/** The same pictures by the library of OpenAI's clients. */
export function asLibrary({ fields, images, mask }: Order): string {
  const files = images.map(({ name }) => `fs.createReadStream(${JSON.stringify(name)})`);
  const members = [
    ...Object.entries(fields).map(([name, value]) => `  ${name}: ${JSON.stringify(value)},`),
    ...(images.length > 0 ? [`  image: [${files.join(", ")}],`] : []),
    ...(mask ? [`  mask: fs.createReadStream("mask.png"),`] : []),
  ];
  return [
    ...(images.length > 0 ? [`import fs from "node:fs";`] : []),
    `import OpenAI from "openai";`,
    "",
    `const client = new OpenAI({ baseURL: ${JSON.stringify(urlOf("v1"))}, apiKey: process.env.PICTOR_KEY });`,
    `const { data } = await client.images.${images.length > 0 ? "edit" : "generate"}({`,
    ...members,
    "});",
  ].join("\n");
}

/** The body as JSON; pictures are named, since their bytes are no reading. */
export function asJson({ fields, manner, images, mask }: Order): string {
  const files = images.length === 0 ? {} : { image: images.map(({ name }) => name), ...(mask && { mask: "mask.png" }) };
  return JSON.stringify({ ...fields, ...files, ...manner }, null, 2);
}
