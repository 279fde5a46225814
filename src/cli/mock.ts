// Runs `pictor mock`.
import { loadChannels } from "../channels/load.ts";
import { prefixOf } from "../channels/settings.ts";
import { loadPlugins } from "../plugin/load.ts";
import { didYouMean } from "../schema/suggest.ts";
import { startProvider } from "../testing/provider.ts";
import { channelTexts, readSettings } from "../process/environment.ts";

/** `pictor mock CHANNEL`: a provider on loopback that answers as the channel's tests say. Runs until it is closed. */
export async function mock(
  name: string,
  { port: given, json }: { port: string; json?: boolean },
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  const port = Number(given);
  if (!/^\d+$/.test(given) || port > 65535) throw new Error(`--port is ${given}; it must be a whole number from 0 to 65535`);
  const settings = readSettings(env);
  const { tests } = await loadChannels({
    folder: channelTexts(settings.channels),
    plugins: await loadPlugins(settings.pluginFolders),
    env,
    withTests: true,
  });
  const own = tests.find(({ channel }) => channel.name === name);
  if (!own)
    throw new Error(
      `there is no channel ${name} (${didYouMean(
        name,
        tests.map(({ channel }) => channel.name),
      )})`,
    );
  const tell = (call: string, answered: string) => say(json ? JSON.stringify({ call, answered }) : `${call}: answered ${answered}`);
  const provider = await (
    name === "demo" ? (await import("../demo/server.ts")).startDemoProvider(port) : startProvider(own, port, tell)
  ).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE" ? new Error(`port ${port} is taken; choose another with --port`) : error;
  });
  const variable = `${prefixOf(name)}_BASE_URL`;
  say(
    json
      ? JSON.stringify({ url: provider.url, variable })
      : `${name} is played at ${provider.url}; start the gateway with ${variable}=${provider.url} and any key`,
  );
  return provider;
}
