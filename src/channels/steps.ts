// Puts the pipelines of a channel and its models together, as lists of steps with their options.
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { didYouMean } from "../schema/suggest.ts";
import { overlaySteps } from "./overlay.ts";
import { keyOf, movedPlaces, type Located, type Problems } from "./problems.ts";

/**
 * A channel whose pipelines are lists, those of its models too: each step is a map of one name, so that all options meet the plugin's schema
 * and get its defaults.
 */
export function withSteps(located: Located, problems: Problems): Located {
  const own = withOptions(laySteps(located, { value: {}, places: new Map() }, [{ at: [], below: [] }], problems), []);
  const models = modelsOf(own.value);
  const laid = laySteps(
    own,
    own,
    models.map((at) => ({ at, below: [] })),
    problems,
  );
  return models.reduce(withOptions, laid);
}

/** Lay the maps of steps in a file over the lists of its preset. */
export function withPresetSteps(over: Located, preset: Located, problems: Problems): Located {
  const listed = [[], ...modelsOf(over.value)].filter((at) => Array.isArray(pipelineAt(preset.value, at)));
  return laySteps(
    over,
    preset,
    listed.map((at) => ({ at, below: at })),
    problems,
  );
}

/** Lay each map of steps `at` a place over the list of `base` that is `below` it. Steps that are new go innermost. */
function laySteps(over: Located, base: Located, places: readonly { at: Path; below: Path }[], problems: Problems): Located {
  return places.reduce((before, { at, below }) => {
    const own = pipelineAt(before.value, at);
    if (!isPlainObject(own)) return before;
    const tell = (name: string, message: string) => problems.add(before, [...at, "plugins", name], `plugins: ${message}`);
    const listed = byName(base, below, tell);
    const steps = overlaySteps(listed, { value: own, places: movedPlaces(before.places, [...at, "plugins"], []) });
    for (const [name, options] of Object.entries(steps.value))
      if (options === null) tell(name, `there is no step ${name} below to take away (${didYouMean(name, Object.keys(listed.value))})`);
    const left = Object.entries(steps.value).filter(([, options]) => options !== null);
    const moved = left.flatMap(([name], index) => {
      const place = steps.places.get(keyOf([name]));
      const item = [...at, "plugins", index];
      return [...movedPlaces(steps.places, [name], [...item, name]), ...(place ? ([[keyOf(item), place]] as const) : [])];
    });
    const list = left.map(([name, options]) => ({ [name]: options }));
    return { value: put(before.value, at, list), places: new Map([...before.places, ...moved]) };
  }, over);
}

/** The steps of a list by their names, with their places. */
function byName({ value, places }: Located, at: Path, tell: (name: string, message: string) => void): Located {
  const list: unknown = pipelineAt(value, at) ?? [];
  const steps = new Map<string, unknown>();
  const moved = new Map(movedPlaces(places, [...at, "plugins"], []));
  for (const [index, item] of (Array.isArray(list) ? list : []).entries()) {
    const [name, options] = typeof item === "string" ? [item, {}] : (Object.entries(isPlainObject(item) ? item : {})[0] ?? []);
    if (name === undefined) continue;
    if (steps.has(name)) tell(name, `${name} stands twice in the list below; write the whole list here`);
    steps.set(name, options ?? {});
    const path = typeof item === "string" ? [...at, "plugins", index] : [...at, "plugins", index, name];
    for (const [key, place] of movedPlaces(places, path, [name])) moved.set(key, place);
  }
  return { value: Object.fromEntries(steps), places: moved };
}

/** `- inspect` and `- inspect:` are `- inspect: {}`. */
function withOptions(located: Located, at: Path): Located {
  const list = pipelineAt(located.value, at);
  if (!Array.isArray(list)) return located;
  const asMap = (item: unknown) => {
    if (typeof item === "string") return { [item]: {} };
    return isPlainObject(item) ? Object.fromEntries(Object.entries(item).map(([name, options]) => [name, options ?? {}])) : item;
  };
  return { ...located, value: put(located.value, at, list.map(asMap)) };
}

function modelsOf({ models }: Record<string, unknown>): Path[] {
  return isPlainObject(models) ? Object.keys(models).map((id) => ["models", id]) : [];
}

function pipelineAt(value: unknown, [key, ...rest]: Path): unknown {
  if (!isPlainObject(value)) return undefined;
  return key === undefined ? value.plugins : pipelineAt(value[key], rest);
}

function put(value: Record<string, unknown>, [key, ...rest]: Path, plugins: unknown[]): Record<string, unknown> {
  if (key === undefined) return { ...value, plugins };
  const inner = value[key];
  return { ...value, [key]: isPlainObject(inner) ? put(inner, rest, plugins) : inner };
}
