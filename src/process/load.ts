// Loads the channels, with the demo provider behind its channel while that one is on.
import { loadWhatIsRight, type Loaded, type PartlyLoaded } from "../channels/load.ts";
import type { Kept } from "../channels/kept.ts";
import { shipped } from "../channels/proven.ts";
import type { Environment } from "../channels/settings.ts";
import type { Texts } from "../channels/texts.ts";
import type { Plugin } from "../plugin/define.ts";
import { channelTexts, type ProcessSettings } from "./environment.ts";

/** Loads the channels as often as they change, with the demo provider behind its channel. */
export interface Loader {
  /** Load what is right of the operator's channels, or of these texts. */
  load: (from?: { folder: Texts; only: readonly string[] }) => Promise<PartlyLoaded>;
  /** The same channels, and the demo off where others are on. */
  settle: (loaded: Pick<Loaded, "channels" | "routes">) => Pick<Loaded, "channels" | "routes">;
  close: () => Promise<void>;
}

/** The demo model is served while no other is, or where the operator wants it beside them; its provider runs only then. */
export async function createLoader(
  { channels, demo }: ProcessSettings,
  plugins: ReadonlyMap<string, Plugin>,
  env: Environment,
): Promise<Loader> {
  let before: Kept | undefined;
  const load = async (from: Parameters<Loader["load"]>[0], address?: { DEMO_BASE_URL: string }) => {
    const folder = channelTexts(channels);
    const loaded = await loadWhatIsRight({ folder, plugins, env: { ...env, ...address }, proven: shipped(), before, ...from });
    before = loaded.kept;
    return loaded;
  };
  if (env.DEMO_BASE_URL)
    return {
      load,
      settle: (loaded) => loaded,
      close: () => Promise.resolve(),
    };
  const { startDemoProvider } = await import("../demo/server.ts");
  let provider: Awaited<ReturnType<typeof startDemoProvider>> | undefined;
  const close = async () => {
    const before = provider;
    provider = undefined;
    await before?.close();
  };
  return {
    load: async (from) => {
      provider ??= await startDemoProvider();
      return load(from, { DEMO_BASE_URL: provider.url });
    },
    settle: (loaded) => {
      const why = whyDemoIsOff({ demo }, loaded.routes);
      if (why === undefined) return loaded;
      // Pictures that are being drawn are finished; nobody waits for them here.
      void close();
      const channels = loaded.channels.map((one) => (one.name === "demo" ? { ...one, off: one.off ?? why } : one));
      return { routes: loaded.routes.filter(({ channel }) => channel.name !== "demo"), channels };
    },
    close,
  };
}

/** Why the demo, whose provider a gateway starts itself, is off; undefined where it is on. */
export function whyDemoIsOff({ demo }: Pick<ProcessSettings, "demo">, routes: Loaded["routes"]): string | undefined {
  const isAlone = routes.every(({ channel }) => channel.name === "demo");
  return demo || isAlone ? undefined : "other channels are on; PICTOR_DEMO=on keeps it";
}
