import { loadChannels, type Loaded } from "../channels/load.ts";
import type { Environment } from "../channels/settings.ts";
import { startDemoProvider } from "../demo/server.ts";
import type { Plugin } from "../plugin/define.ts";
import type { ProcessSettings } from "./environment.ts";

/** Loads the channels as often as they change, with the demo provider behind its channel. */
export interface Loader {
  /** Throws `ConfigError` for files that are wrong. */
  load: () => Promise<Loaded>;
  close: () => Promise<void>;
}

/** The demo model is served while no other is, or where the operator wants it beside them. */
export async function createLoader(
  { channels: folder, demo }: ProcessSettings,
  plugins: ReadonlyMap<string, Plugin>,
  env: Environment,
): Promise<Loader> {
  if (env.DEMO_BASE_URL) return { load: () => loadChannels({ folder, plugins, env }), close: () => Promise.resolve() };
  const provider = await startDemoProvider();
  return {
    load: async () => {
      const loaded = await loadChannels({ folder, plugins, env: { ...env, DEMO_BASE_URL: provider.url } });
      const others = loaded.routes.filter(({ channel }) => channel.name !== "demo");
      return demo || others.length === 0 ? loaded : { ...loaded, routes: others, channels: loaded.channels.map(withoutDemo) };
    },
    close: () => provider.close(),
  };
}

function withoutDemo(channel: Loaded["channels"][number]): Loaded["channels"][number] {
  return channel.name === "demo" ? { ...channel, off: channel.off ?? "other channels are on; PICTOR_DEMO=on keeps it" } : channel;
}
