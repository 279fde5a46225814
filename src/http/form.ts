import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import busboy from "@fastify/busboy";
import { GatewayError } from "../errors.ts";
import { tooLarge } from "../picture/judge.ts";
import type { KeptData, SpoolScope } from "../picture/spool.ts";
import { Stalled } from "./meter.ts";

/** A file of a form, taken whole. */
export class FormFile {
  readonly data: KeptData;
  readonly name: string;
  constructor(data: KeptData, name: string) {
    this.data = data;
    this.name = name;
  }
}

export interface FormLimits {
  /** Bytes of the whole body. */
  body: number;
  /** Bytes of one file. */
  file: number;
  /** Milliseconds that nothing may come. */
  idle: number;
}

/** Bytes of one text, and of a part's headers. */
const textLimit = 1024 * 1024;
const headerLimit = 16 * 1024;

/** Parts of one body; no model takes nearly as many images. */
const partLimit = 128;

/**
 * Read a form while it arrives: texts by name, and images into the spool, in the order of their numbers (`image[1]`) or else as they
 * come. Images of every spelling are in `image`: one, or a list. Throws a 400 or 413 that names the part.
 */
export async function readForm(
  request: IncomingMessage,
  limits: FormLimits,
  spool: Pick<SpoolScope, "take">,
): Promise<Map<string, unknown>> {
  const form = new Map<string, unknown>();
  const images: { place: number; value: unknown }[] = [];
  const masks: unknown[] = [];
  const files: Promise<void>[] = [];
  let part = "image";

  const keep = (name: string, value: unknown) => {
    const place = /^images?(?:\[(\d{0,4})\])?$/.exec(name);
    if (place) images.push({ place: place[1] ? Number(place[1]) : images.length, value });
    else if (name === "mask" || name === "mask[]") masks.push(value);
    else if (form.has(name)) throw new GatewayError("invalid_value", `${shown(name)} is there twice; send it once`, { param: shown(name) });
    else form.set(name, value);
  };
  const label = (name: string) => {
    if (/^mask/.test(name)) return "mask";
    return /^image/.test(name) ? (images.length > 0 ? `image[${images.length}]` : "image") : shown(name);
  };

  await new Promise<void>((resolve, reject) => {
    let received = 0;
    const refuse = (message: string, cause?: unknown) =>
      fail(new GatewayError("invalid_image_file", `the form ${message}`, { param: part, cause }));
    const timer = setTimeout(() => fail(new Stalled("invalid_image_file", part, limits.idle)), limits.idle);
    let arriving: Readable | undefined;
    function fail(error: unknown): void {
      clearTimeout(timer);
      // What else comes is read away: a client that is still sending would not get to see the answer.
      request.unpipe().off("data", count).resume();
      arriving?.destroy(error as Error);
      // Nothing is left of the files when this is told.
      void Promise.all(files).then(() => reject(error as Error));
    }
    function count(chunk: Buffer): void {
      timer.refresh();
      received += chunk.length;
      if (received > limits.body)
        fail(new GatewayError("request_too_large", `the body is larger than the ${limits.body} bytes that are accepted`, { param: part }));
    }
    const parser = parserOf(request, refuse);
    if (!parser) return;
    parser.on("file", (name, stream, fileName) => {
      part = label(name);
      const field = part;
      if (!/^(?:images?(?:\[\d{0,4}\])?|mask(?:\[\])?)$/.test(name)) {
        stream.resume();
        fail(new GatewayError("invalid_type", `${field} is a file; only image and mask are`, { param: field }));
        return;
      }
      // Its place is its own from here on, however long it takes to arrive.
      const slot: { value?: unknown } = {};
      keep(name, slot);
      arriving = stream;
      const taken = taking(stream, fileName).then(
        (file) => void (slot.value = file),
        (error: unknown) => fail(tooLarge(error, field)),
      );
      files.push(taken);
    });
    async function taking(stream: Readable, fileName: string): Promise<FormFile> {
      return new FormFile(await spool.take(stream, limits.file), fileName);
    }
    parser.on("field", (name, value, _nameCut, cut) => {
      part = label(name);
      try {
        if (cut) throw new GatewayError("request_too_large", `${part} is longer than ${textLimit} bytes`, { param: part });
        keep(name, value);
      } catch (error) {
        fail(error);
      }
    });
    parser.on("partsLimit", () => refuse(`has more than ${partLimit} parts`));
    parser.on("error", (error) => refuse("is broken: a part does not end, or its boundary is not the one of the content type", error));
    parser.on("finish", () => {
      clearTimeout(timer);
      void Promise.all(files).then(() => resolve());
    });
    request.once("error", (error) => refuse("broke off", error));
    request.on("data", count);
    request.pipe(parser);
  });

  images.sort((one, other) => one.place - other.place);
  const found = images.map(({ value }) => settled(value));
  if (found.length > 0) form.set("image", found.length === 1 ? found[0] : found);
  if (masks.length > 1) throw new GatewayError("invalid_value", "mask is there twice; send one", { param: "mask" });
  if (masks.length > 0) form.set("mask", settled(masks[0]));
  return form;
}

/** A file that was still arriving when it got its place. */
function settled(value: unknown): unknown {
  return typeof value === "string" ? value : (value as { value: unknown }).value;
}

function parserOf(
  request: IncomingMessage,
  refuse: (message: string, cause: unknown) => void,
): InstanceType<typeof busboy.Busboy> | undefined {
  try {
    return new busboy.Busboy({
      headers: { ...request.headers, "content-type": request.headers["content-type"] ?? "" },
      limits: { parts: partLimit, fieldNameSize: 200, fieldSize: textLimit, headerSize: headerLimit, headerPairs: 50 },
      // An image without a file name is one all the same.
      isPartAFile: (_name, type, fileName) => fileName !== undefined || /^(?:image\/|application\/octet-stream)/.test(type ?? ""),
    });
  } catch (error) {
    refuse("has no boundary in its content type", error);
    return undefined;
  }
}

function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}...` : name;
}
