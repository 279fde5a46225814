import type { Branch, Middleware, PluginContext, Result } from "./context.ts";

/** The innermost step: the call to the provider. */
export type Core = (ctx: PluginContext) => Promise<void>;

export function emptyResult(): Result {
  return { pictures: [], errors: [], facts: {} };
}

/** Put plugins around a core, outermost first, as Koa does. A plugin that calls `next` twice would order twice: it throws. */
export function compose(plugins: readonly Middleware[], core: Core): Core {
  const run = async (ctx: PluginContext, index: number): Promise<void> => {
    const plugin = plugins[index];
    if (!plugin) return core(ctx);
    let called = false;
    const next = () => {
      if (called) throw new Error("next() called twice");
      called = true;
      return run(ctx, index + 1);
    };
    const branch: Branch = async (fields) => {
      const own: PluginContext = {
        ...ctx,
        request: { ...structuredClone(ctx.request), ...fields },
        result: emptyResult(),
        early: false,
      };
      await run(own, index + 1);
      return own.result;
    };
    await plugin(ctx, next, branch);
  };
  return (ctx) => run(ctx, 0);
}
