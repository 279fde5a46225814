// Names what a plugin sees: request, result, changes and services.
import type { Logger } from "pino";
import type { Picture, PictureData } from "../picture/picture.ts";
import type { OperationName } from "../schema/models.ts";
import type { Trace } from "../trace.ts";
import type { InputImage } from "../picture/input.ts";
import type { SpoolScope } from "../picture/spool.ts";

/** A client's request in the gateway's vocabulary, checked against the model's schema. An omitted field is absent. */
export interface UnifiedRequest {
  model: string;
  prompt: string;
  n: number;
  /** Canonical: `1024x768`, `16:9`, `2K`, `16:9(4K)` or `auto`. */
  size?: string;
  quality?: string;
  response_format?: "url" | "b64_json";
  style?: string | Record<string, unknown>;
  background?: string | Record<string, unknown>;
  /** Omitted, true and false are three different wishes. */
  watermark?: boolean;
  output_format?: "png" | "jpeg" | "webp" | "avif";
  output_compression?: number;
  moderation?: string;
  user?: string;
  seed?: number;
  negative_prompt?: string;
  metadata?: Record<string, unknown>;
  /** The pictures to start from; with any, the request is an edit. */
  images?: InputImage[];
  /** Marks where the first image may change: its transparent pixels. */
  mask?: InputImage;
  /** Further fields that the model's schema allows. */
  [field: string]: unknown;
}

/** A change that the gateway made to the client's request. */
export interface Change {
  field: string;
  /** The change in words, where no value was replaced: `dropped`, `suffix appended`. */
  what?: string;
  from?: unknown;
  to?: unknown;
}

/** A picture of several that could not be made. */
export interface ItemError {
  message: string;
  code: string;
}

/** The provider's answer as pictures and facts. */
export interface Result {
  pictures: Picture[];
  /** Pictures of the same request that failed while others worked. */
  errors: ItemError[];
  /** Facts about the whole answer: `created`, `usage`, `size`, `quality`, `output_format`, `background`. */
  facts: Record<string, unknown>;
  /** The provider's own `metadata`. */
  metadata?: Record<string, unknown>;
  /** The cost of this call as the provider says it, in nano-dollars. */
  cost?: number;
  /**
   * Set where the only picture is still arriving: the result that the provider's whole answer gives, once the picture has been read.
   * Rejects when that answer turns out not to be good after all.
   */
  rest?: Promise<Result>;
}

/** A stored picture's address. */
export interface Kept {
  url: string;
  mediaType: string;
  bytes: number;
}

/** A plugin's view of one attempt. It lives as long as the attempt, and no other attempt sees it. */
export interface PluginContext {
  /** The client's request; it never changes. */
  readonly input: Readonly<UnifiedRequest>;
  readonly operation: OperationName;
  /** The request of this attempt, to be edited before `next`. */
  request: UnifiedRequest;
  /** The result, to be edited after `next`. */
  result: Result;
  readonly model: {
    readonly id: string;
    readonly upstream: string;
    /** The model's own schema of each field. */
    readonly fields: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  readonly channel: { readonly name: string };
  /** Record what was done to the client's wish: `change("style", { what: "dropped" })`, `change("size", { from: "16:9", to: "1792x1008" })`. */
  change: (field: string, change: { what?: string; from?: unknown; to?: unknown }) => void;
  /**
   * Fetch a picture's URL through the guard. The first bytes have arrived and are an image's when it resolves. Only a URL `from` the
   * provider may lead to the private addresses that its channel trusts: a client's leads to public ones, or it would read what is not its own.
   */
  fetchPicture(url: string, from: "client" | "provider"): Promise<Extract<PictureData, { kind: "stream" }> & { mediaType: string }>;
  /** Keep a picture and give it a URL of our own; `life` in seconds. `reachable` says whether a provider can fetch it there. */
  store: { save(chunks: AsyncIterable<Buffer>, life?: number): Promise<Kept>; reachable?: boolean };
  /** Holds bytes for as long as the request lives, in memory or in a file, within what the process may use. */
  spool: Pick<SpoolScope, "take" | "room">;
  /** True when the response may start before the provider's body ends: one picture was requested, and the rest can follow it. */
  readonly early?: boolean;
  /**
   * Aborts when the client hangs up, the request's time is over or the attempt fails. Everything that waits or calls takes it. A
   * copy by `{ ...ctx }` has to name it, since it is made on first use.
   */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The place in the trace that the request belongs to, if any. */
  readonly trace?: Trace;
}

/**
 * A plugin's step for each picture on its way to the client; `partial` is an unfinished picture of a stream. Of what it
 * throws, a `ProviderFailure` takes only this picture away while others are left.
 */
export type EachPicture = (picture: Picture, partial: boolean) => Picture | Promise<Picture>;

/**
 * Run the rest of the pipeline, and do `each` to every picture that comes back, also to those of a stream, which come before this
 * resolves. Without `each` the plugin is taken to edit `ctx.result` afterwards, so that nothing is streamed past it.
 */
export type Next = (each?: EachPicture) => Promise<void>;

/**
 * Run the rest of the pipeline once with these fields of the request replaced, in a context of its own.
 * Only a plugin that makes several calls of one request uses it, in place of `next`.
 */
export type Branch = (fields: Partial<UnifiedRequest>) => Promise<Result>;

/** With images it is an edit, whatever the path was. */
export function operationOf({ images }: Readonly<UnifiedRequest>): OperationName {
  return images && images.length > 0 ? "edit" : "generate";
}

export type Middleware = (ctx: PluginContext, next: Next, branch: Branch) => Promise<void>;
