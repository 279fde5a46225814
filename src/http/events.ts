// Writes an answer as server-sent events.
import type { Context } from "koa";
import type { Logger } from "pino";
import type { GatewayError } from "../errors.ts";
import type { Made } from "../gateway/kept-answer.ts";
import { referenceOf } from "../gateway/references.ts";
import type { PictureReference } from "../ledger/row.ts";
import { formatName } from "../picture/sniff.ts";
import type { Events, Shown } from "../plugin/compose.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import { members, metadataOf, seconds, usageOf, write, type Ahead, type Piece } from "./answer.ts";
import { createEventWriter } from "./event-writer.ts";
import type { RequestState } from "./gateway.ts";

/** An answer as server-sent events. Its head goes out with the first of them, or with the first sign of life. */
export interface EventAnswer {
  /** Events of the request while it runs. */
  events: Events;
  /** The finished pictures that were shown so far. */
  shown: readonly PictureReference[];
  /** Send what was not shown yet, and with the last picture what is said of the whole. */
  finish(made: Made): Promise<void>;
  /** Send the picture that was held back until more could be said with it, where nothing more will be. */
  release(): Promise<void>;
  /** Send an event of another kind; `id` is what the client says where it connects again. */
  tell(type: string, fields: object, id?: string): Promise<void>;
  /** End the answer. */
  end(): void;
  /** Report an error once the head is out. */
  fail(error: GatewayError): Promise<void>;
}

interface Options {
  /** How the events' names begin. */
  kind: "image_generation" | "image_edit";
  /** The client's request, for facts that the provider does not state. */
  request: Pick<UnifiedRequest, "n" | "size" | "quality" | "background" | "output_format">;
  /** Milliseconds between two signs of life while a provider works. */
  heartbeat: number;
  spool?: Ahead;
  log: Logger;
}

export function answerEvents(ctx: Context, { kind, request, heartbeat, spool, log }: Options): EventAnswer {
  const { res } = ctx;
  const state = ctx.state as RequestState;
  const finished: PictureReference[] = [];
  let held: Shown | undefined;
  const writer = createEventWriter(ctx, { heartbeat, log });
  const inTurn = (pieces: readonly Piece[]) => writer.send((put) => write(pieces, put, spool));

  const completed = (shown: Shown, { metadata, ...tail }: { usage?: unknown; metadata?: object } = {}) => {
    const own = shown.picture.metadata || metadata ? { metadata: { ...shown.picture.metadata, ...metadata } } : {};
    return inTurn(eventOf(`${kind}.completed`, { ...factsOf(shown, request), ...tail, ...own }, shown));
  };

  const show = async (shown: Shown): Promise<void> => {
    const { partial: partial_image_index } = shown;
    if (partial_image_index !== undefined)
      return inTurn(eventOf(`${kind}.partial_image`, { ...factsOf(shown, request), partial_image_index }, shown));
    finished.push(referenceOf(shown.picture));
    if (finished.length < request.n) return completed(shown);
    // Facts of the whole answer go with the last picture, so the picture that may be the last waits for them.
    const before = held;
    held = shown;
    if (before) await completed(before);
  };

  return {
    events: {
      accepted: writer.beat,
      show,
    },
    shown: finished,
    finish: async (generated) => {
      const { pictures, facts } = generated.result;
      const rest = [...(held ? [held] : []), ...pictures.map((picture): Shown => ({ picture, facts, changes: generated.changes }))];
      const final = rest.pop();
      held = undefined;
      for (const shown of rest) await completed(shown);
      // Facts known before the head went out stand in the headers.
      const { channel, attempts } = state;
      const tail = {
        usage: usageOf(facts.usage, generated.cost?.()),
        metadata: metadataOf(generated.result, generated.changes, res.headersSent ? { channel, attempts } : {}),
      };
      await (final ? completed(final, tail) : inTurn(eventOf(`${kind}.failed`, tail)));
      res.end();
    },
    release: async () => {
      const last = held;
      held = undefined;
      // A picture that still arrives breaks off with its request.
      if (last && last.picture.data.kind !== "stream") await completed(last);
    },
    tell: (type, fields, id) =>
      inTurn([`event: ${type}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify({ type, ...fields })}\n\n`]),
    end: () => void res.end(),
    fail: async (error) => {
      await inTurn(eventOf("error", error.toJSON()));
      res.end();
    },
  };
}

/** An event in OpenAI's shape. The picture is spliced into its data. */
function eventOf(type: string, fields: object, shown?: Shown): Piece[] {
  const rest = JSON.stringify({ type, ...fields }).slice(0, -1);
  return [`event: ${type}\ndata: ${rest}`, ...(shown ? [",", ...members(shown.picture)] : []), "}\n\n"];
}

/**
 * The facts of an OpenAI event: the provider's words, else the measured ones, else the request's, as the reported changes have
 * left it.
 */
function factsOf({ picture: { width, height, mediaType }, facts, call, changes = [] }: Shown, request: Options["request"]): object {
  const seen = width && height ? `${width}x${height}` : undefined;
  const asked = (field: "size" | "quality" | "background") => {
    const change = changes.findLast((candidate) => candidate.field === field);
    const value = change ? change.to : request[field];
    return typeof value === "string" ? value : "auto";
  };
  return {
    created_at: seconds(facts.created),
    size: facts.size ?? seen ?? asked("size"),
    quality: facts.quality ?? asked("quality"),
    background: facts.background ?? asked("background"),
    output_format: (mediaType && formatName(mediaType)) ?? facts.output_format ?? request.output_format,
    call,
  };
}
