// Reads the budgets of a key of gateway.yaml.
import type { Located, Problems } from "../channels/problems.ts";
import type { Path } from "../expression/rendering.ts";
import type { Client } from "../gateway/client.ts";
import type { WrittenBudget } from "../http/key-options.ts";
import { nanosOf } from "../money/cost.ts";

/** The budgets of a key, one or a list; nothing where it has none. Mistakes go to `problems`. */
export function budgetsOf(
  written: WrittenBudget | WrittenBudget[] | undefined,
  path: Path,
  located: Located,
  problems: Problems,
): Pick<Client, "budgets"> {
  if (written === undefined) return {};
  const all = [written].flat();
  for (const [index, { per }] of all.entries())
    if (all.findIndex((one) => one.per === per) < index)
      problems.add(located, [...path, index, "per"], `keys.budget.per: ${per} stands here a second time; a period has one budget`);
  return { budgets: all.map(({ usd, per }) => ({ per, nanos: nanosOf(usd) ?? 0 })) };
}
