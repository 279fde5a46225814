// Runs the plugins of a channel around its call, outermost first.
import type { Picture } from "../picture/picture.ts";
import { clone } from "./clone.ts";
import type { Branch, Change, EachPicture, Middleware, Next, PluginContext, Result, UnifiedRequest } from "./context.ts";
import { eachPicture } from "./outcomes.ts";

/** A picture of a stream, on its way to the client before the whole result is there. */
export interface Shown {
  picture: Picture;
  /** The place of an unfinished picture among those before the finished one; undefined for a finished one. */
  partial?: number;
  /** The number of its call among several, from 0; those of parallel calls come mixed. */
  call?: number;
  /** The changes made to the request so far. */
  changes?: readonly Change[];
  /** Facts about this picture. */
  facts: Result["facts"];
}

/** Events for a client that wants a stream, sent while its request runs. */
export interface Events {
  /** The provider has the whole request. */
  accepted: () => void;
  /** Resolves when it may be followed by the next. Absent while a step of the pipeline wants the whole result first. */
  show?: (shown: Shown) => Promise<void>;
}

/** The innermost step: the call to the provider. What it shows is no more part of its result. */
export type Core = (ctx: PluginContext, events?: Events) => Promise<void>;

export function emptyResult(): Result {
  return { pictures: [], errors: [], facts: {} };
}

/** Put plugins around a core, outermost first, as Koa does. A plugin that calls `next` twice would order twice: it throws. */
export function compose(plugins: readonly Middleware[], core: Core): Core {
  const run = async (ctx: PluginContext, index: number, events: Events | undefined): Promise<void> => {
    const plugin = plugins[index];
    if (!plugin) return core(ctx, events);
    let called = false;
    const next: Next = async (each) => {
      if (called) throw new Error("next() called twice");
      called = true;
      const { errors } = ctx.result;
      await run(ctx, index + 1, events && through(events, each));
      // Facts about pictures already shown, kept until there is a result to put them in.
      if (errors !== ctx.result.errors) ctx.result.errors.push(...errors.splice(0));
      if (each) await eachPicture(ctx.result, (picture) => each(picture, false));
    };
    // Every call begins with the same, whatever is done to the request when the first pictures come back.
    let same: UnifiedRequest | undefined;
    let calls = 0;
    const branch: Branch = async (fields) => {
      same ??= clone(ctx.request);
      const own: PluginContext = {
        ...ctx,
        // A getter of the prototype, which the copy above leaves out.
        signal: ctx.signal,
        request: { ...clone(same), ...fields },
        result: emptyResult(),
        early: false,
      };
      const its = events && ofCall(events, calls++);
      await run(own, index + 1, its);
      if (its?.show) await showAll(own.result, its.show);
      return own.result;
    };
    await plugin(ctx, next, branch);
  };
  return (ctx, events) => run(ctx, 0, events);
}

/** The same events, for the steps within one that does `each` to every picture. */
function through({ accepted, show }: Events, each: EachPicture | undefined): Events {
  if (!show || !each) return { accepted };
  return { accepted, show: async (shown) => show({ ...shown, picture: await each(shown.picture, shown.partial !== undefined) }) };
}

/** The same events, where all that is shown is of one of several calls. */
function ofCall({ accepted, show }: Events, call: number): Events {
  return { accepted, show: show && ((shown) => show({ ...shown, call })) };
}

/** Show the pictures that one of several calls made, while the others run. */
async function showAll(result: Result, show: NonNullable<Events["show"]>): Promise<void> {
  const { facts } = result;
  await eachPicture(result, async (picture) => {
    await show({ picture, facts });
    return picture;
  });
  result.pictures = [];
}
