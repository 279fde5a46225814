// Finds variables of the environment that look like the gateway's own and are none, such as a misspelt one.
import { didYouMean } from "../schema/suggest.ts";
import { environmentNames } from "./environment.ts";

/**
 * A sentence for each variable that begins with `PICTOR_` and is read by nobody. Those that channels name in `texts`, and the addresses that
 * Kubernetes sets for a service called pictor, are meant as they are.
 */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>, texts: Iterable<Buffer>): string[] {
  const known = Object.keys(environmentNames);
  const isOthers = (name: string) =>
    /_(API_KEY|BASE_URL|SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$/.test(name) ||
    [...texts].some((text) => text.includes(name));
  return Object.keys(env)
    .filter((name) => name.startsWith("PICTOR_") && !known.includes(name) && !isOthers(name))
    .map(
      (name) =>
        `${name} is set, and is no variable of the gateway's (${didYouMean(
          name,
          known.filter((other) => other.startsWith("PICTOR_")),
        )})`,
    );
}
