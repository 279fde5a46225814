// Resolves the addresses of models that their provider has elsewhere than the channel.
import { trimmed, type Resolver, type Settings } from "./settings.ts";
import { addressProblem } from "./address.ts";
import type { ChannelSettings } from "./grammar.ts";
import type { Located, Problems } from "./problems.ts";

/** The address of a model's calls. */
interface ModelAddress {
  baseUrl: string;
  /** Its own in the file, whether it is in force or the environment has replaced it. */
  written?: string;
  /** Variables and files that it wants and that are not there. */
  wanted: string[];
}

/**
 * Gives the address of each model: its own, or the channel's. An address that the environment names for the channel is where all of its
 * calls go; but tests, which set one to reach their mock, are `diverted`, and see a call to another host by its whole URL. Mistakes go to
 * `problems`.
 */
export function modelAddresses(
  located: Located<ChannelSettings>,
  { baseUrl, isReplaced }: Pick<Settings, "baseUrl" | "isReplaced">,
  { resolve, isDiverted }: { resolve: Resolver; isDiverted: boolean },
  problems: Problems,
): (id: string) => ModelAddress {
  return (id) => {
    const own = located.value.models[id]?.base_url;
    if (own == null) return { baseUrl, wanted: [] };
    const path = ["models", id, "base_url"];
    const { value, wanted } = resolve(located, path, own);
    if (typeof value !== "string") return { baseUrl, wanted: isReplaced ? [] : wanted };
    const written = trimmed(value);
    const wrong = addressProblem(written);
    // In a test the environment holds names in place of values, which make no address.
    if (wrong !== undefined && isDiverted) return { baseUrl, wanted: [] };
    if (wrong !== undefined) problems.add(located, path, `models.${id}.base_url: ${wrong}`);
    return { baseUrl: isReplaced && !isDiverted ? baseUrl : written, written, wanted: [] };
  };
}
