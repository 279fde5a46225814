// Writes what is made as the events of a door's API.
import type { Context } from "koa";
import type { Logger } from "pino";
import type { Door, Drawing, EventTemplate } from "../door/compile.ts";
import { rendered } from "../door/understand.ts";
import type { Variables } from "../expression/cel.ts";
import type { Made } from "../gateway/kept-answer.ts";
import { referenceOf } from "../gateway/references.ts";
import type { PictureReference } from "../ledger/row.ts";
import { encodeJson } from "../net/body.ts";
import type { Shown } from "../plugin/compose.ts";
import { madeVariables, pictureVariables, saidVariables, type Said } from "./door-answer.ts";
import { errorVariables } from "./door-errors.ts";
import { createEventWriter } from "./event-writer.ts";
import type { EventAnswer } from "./events.ts";
import { writeAll, type Put } from "./write.ts";

/** The events of a request through a door. Its head goes out with the first of them. */
export function doorEvents(
  ctx: Context,
  { door, drawing, said }: { door: Door; drawing: Drawing; said: Said },
  around: { heartbeat: number; log: Logger },
): EventAnswer {
  const writer = createEventWriter(ctx, around);
  const known = saidVariables(said);
  const shown: PictureReference[] = [];
  const { start, alive, partial, picture, end, error } = drawing.events;
  let isBegun = false;

  const tell = async (templates: readonly EventTemplate[] = [], more: Variables = {}): Promise<void> => {
    for (const template of templates) await writer.send((put) => writeEvent(template, { ...known, ...more }, put));
  };
  const begin = async (): Promise<void> => {
    if (isBegun) return;
    isBegun = true;
    await tell(start);
  };
  const show = async ({ picture: one, partial: number }: Shown): Promise<void> => {
    await begin();
    if (number !== undefined) return tell(partial, { picture: pictureVariables(one), index: number });
    const index = shown.push(referenceOf(one)) - 1;
    await tell(picture, { picture: pictureVariables(one), index });
  };

  const sign = async (put: Put): Promise<void> => {
    for (const template of alive ?? []) await writeEvent(template, known, put);
  };

  return {
    events: { accepted: () => writer.beat(alive && sign), show },
    shown,
    finish: async (made) => {
      for (const one of made.result.pictures) await show({ picture: one, facts: made.result.facts });
      await begin();
      await tell(end, madeVariables(made));
      ctx.res.end();
    },
    // Nothing is held back.
    release: () => Promise.resolve(),
    tell: () => Promise.resolve(),
    end: () => void ctx.res.end(),
    fail: async (failure) => {
      const body = door.errors?.body ?? (() => failure.toJSON());
      await tell(error ?? [{ data: body }], errorVariables(failure));
      ctx.res.end();
    },
  };
}

/** Write what a stream says of pictures that are there already. */
export async function writeEvents(
  { events: { start = [], picture = [], end = [] } }: Drawing,
  said: Said,
  made: Made,
  put: Put,
): Promise<void> {
  const known = saidVariables(said);
  for (const template of start) await writeEvent(template, known, put);
  for (const [index, one] of made.result.pictures.entries())
    for (const template of picture) await writeEvent(template, { ...known, picture: pictureVariables(one), index }, put);
  for (const template of end) await writeEvent(template, { ...known, ...madeVariables(made) }, put);
}

/** Write an event. A text stands there as it is, and everything else as JSON, which has no line breaks. */
async function writeEvent({ name, data }: EventTemplate, variables: Variables, put: Put): Promise<void> {
  const value = rendered(data, variables);
  if (value === undefined) return;
  await put(`${name === undefined ? "" : `event: ${name}\n`}data: `);
  const body = typeof value === "string" ? Buffer.from(value.replaceAll(/\r\n|\r|\n/g, "\ndata: ")) : await encodeJson(value);
  if (Buffer.isBuffer(body)) await put(body);
  else await writeAll(body.chunks(), put);
  await put("\n\n");
}
