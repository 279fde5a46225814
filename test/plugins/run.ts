import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import pino from "pino";
import { ProviderFailure } from "../../src/errors.ts";
import { solidPng } from "../../src/picture/png.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { compose, emptyResult } from "../../src/plugin/compose.ts";
import type { Change, PluginContext, Result, UnifiedRequest } from "../../src/plugin/context.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { createAjv } from "../../src/schema/ajv.ts";

const plugins = await loadPlugins([shippedPlugins]);
const ajv = createAjv({ useDefaults: true });

/** What one plugin did to a request and to what came back. */
export interface Ran {
  ctx: PluginContext;
  changes: Change[];
  /** The requests that reached the provider. */
  sent: UnifiedRequest[];
  result: Result;
  /** What was stored. */
  stored: { bytes: Buffer; life: number | undefined }[];
  /** The URLs that were fetched. */
  fetched: string[];
}

/**
 * Run one plugin, with its defaults filled in, around a provider that does as `provider` says. A URL with `gone` in it cannot be fetched;
 * any other is the picture of `around.web`. What `around` holds stands in the context.
 */
export async function run(
  name: string,
  options: object,
  request: object,
  provider: (ctx: PluginContext) => Partial<Result> | Promise<Partial<Result>>,
  { web = solidPng(8, 8), ...around }: Partial<PluginContext> & { web?: Buffer } = {},
): Promise<Ran> {
  const plugin = plugins.get(name)!;
  const filled = structuredClone(options);
  if (!ajv.validate({ ...plugin.schema }, filled)) throw new Error(ajv.errorsText());
  const whole = { model: "m", prompt: "p", n: 1, ...request };
  const ran: Omit<Ran, "ctx" | "result"> = { changes: [], sent: [], stored: [], fetched: [] };
  const ctx: PluginContext = {
    input: whole,
    operation: "generate",
    request: structuredClone(whole),
    result: emptyResult(),
    model: { id: "m", upstream: "m", fields: {} },
    channel: { name: "c" },
    change: (field, change) => ran.changes.push({ field, ...change }),
    fetchPicture: (url) => {
      ran.fetched.push(url);
      if (url.includes("gone")) return Promise.reject(new ProviderFailure("bad_response", "gone"));
      const [head, rest] = [web.subarray(0, 64), web.subarray(64)];
      return Promise.resolve({ kind: "stream", head, stream: Readable.from(rest.length > 0 ? [rest] : []), mediaType: "image/png" });
    },
    store: {
      save: async (chunks, life) => {
        const parts: Buffer[] = [];
        for await (const chunk of chunks) parts.push(chunk);
        const bytes = Buffer.concat(parts);
        ran.stored.push({ bytes, life });
        return { url: `https://own.example/${ran.stored.length}`, mediaType: "image/png", bytes: bytes.length };
      },
    },
    spool: createSpool({ folder: join(tmpdir(), "pictor-plugins-test") }).scope(),
    signal: new AbortController().signal,
    log: pino({ level: "silent" }),
    ...around,
  };
  await compose([plugin.create(filled)], async (inner) => {
    ran.sent.push(structuredClone(inner.request));
    inner.result = { ...emptyResult(), ...(await provider(inner)) };
  })(ctx);
  return { ...ran, ctx, result: ctx.result };
}

/** The provider gave a URL. */
export function url(name: string) {
  return { data: { kind: "url" as const, url: `https://a.example/${name}` } };
}

/** The provider gave bytes. */
export function bytes(picture: Buffer) {
  return { data: { kind: "bytes" as const, bytes: picture } };
}

/** What a run failed with. */
export function failureOf(running: Promise<unknown>): Promise<Error> {
  return running.then(
    () => new Error("it did not fail"),
    (error: unknown) => error as Error,
  );
}
