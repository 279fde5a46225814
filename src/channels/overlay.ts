// Lays one part of a channel over another: a file over its preset, a model over its channel, an edit over the generation.
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { keyOf, movedPlaces, type Located } from "./problems.ts";

/**
 * The kinds of layers. The result of `last` is used as it is. Over a `part` another layer is laid, so nulls that remove keys are kept for that one.
 * An `edit` lies over a generation that may differ between models, so a null in it may find nothing to remove.
 */
type Layer = "last" | "part" | "edit";

/** Lay one file over another: maps merge key by key, lists and scalars replace, null takes a line away. */
export function overlay(base: Located, written: Located): Located {
  const over = asLayers(base, written);
  const { models, edit, ...rest } = over.value;
  const value = mergeMaps(base.value, rest);
  if (edit === null) delete value.edit;
  else if (edit !== undefined) value.edit = mergeEdits(value.edit, edit);
  if (models !== undefined) value.models = mergeModels(base.value.models, models);
  return { value, places: placesOver(base, over) };
}

/** Merges `edit`. `like` of the lower layer is kept, even if the upper edit replaces the lower one as a whole. */
function mergeEdits(base: unknown, over: unknown): unknown {
  const merged = merge(base, over, { layer: "part" });
  if (!isPlainObject(merged)) return merged;
  const { $replace, ...edit } = merged;
  return $replace === true ? edit : merged;
}

/** Lay the operation `edit` over another. */
export function overlayOperation(base: Located, written: Located): Located {
  const over = asLayers(base, written);
  return { value: mergeMaps(base.value, over.value, { layer: "edit" }), places: placesOver(base, over) };
}

/** Lay steps of a pipeline, by name, over others. A step that is not there and is taken away stays null. */
export function overlaySteps(base: Located, over: Located): Located {
  return { value: mergeMaps(base.value, over.value, { inBody: true }), places: placesOver(base, over) };
}

/** A map that is laid over a `$merge` is one more of its layers, whose null takes a key out of those before. */
function asLayers(base: Located, over: Located): Located {
  const places = new Map(over.places);
  const move = (from: Path, to: Path, of: Located["places"]) => {
    for (const [key, place] of movedPlaces(of, from, to)) places.set(key, place);
  };
  const layered = (below: unknown, above: unknown, path: Path): unknown => {
    if (!isPlainObject(below) || !isPlainObject(above)) return above;
    const { $merge: layers } = below;
    if (!Array.isArray(layers) || Object.keys(above).some((key) => key.startsWith("$")))
      return Object.fromEntries(Object.entries(above).map(([key, value]) => [key, layered(below[key], value, [...path, key])]));
    move([...path, "$merge"], [...path, "$merge"], base.places);
    move(path, [...path, "$merge", layers.length], over.places);
    return { $merge: [...(layers as unknown[]), Object.fromEntries(Object.entries(above).map(([key, value]) => [key, value ?? "$drop"]))] };
  };
  return { value: layered(base.value, over.value, []) as Record<string, unknown>, places };
}

function placesOver(base: Located, over: Located): Located["places"] {
  const places = new Map(base.places);
  replaced(base.value, over.value, [], (path) => {
    const below = `${keyOf(path)}\u0000`;
    for (const key of places.keys()) if (key.startsWith(below)) places.delete(key);
  });
  for (const [key, place] of over.places) places.set(key, place);
  return places;
}

/**
 * A model with nothing behind its name is one without parts of its own; only one that the base has can be deleted. Inside a
 * model null is kept: it deletes what the channel has.
 */
function mergeModels(base: unknown, over: unknown): unknown {
  if (!isPlainObject(over)) return over;
  const models = new Map(isPlainObject(base) ? Object.entries(base) : []);
  for (const [id, own] of Object.entries(over)) {
    if (own === null && models.has(id)) models.delete(id);
    else models.set(id, merge(models.get(id), own ?? {}, { layer: "part" }));
  }
  return Object.fromEntries(models);
}

/** Reports every path at which a value of `base` is replaced rather than merged. */
function replaced(base: unknown, over: unknown, path: Path, tell: (path: Path) => void): void {
  if (!isPlainObject(base) || !isPlainObject(over) || !isMerged(base, over)) {
    tell(path);
    return;
  }
  for (const key of Object.keys(over)) if (Object.hasOwn(base, key)) replaced(base[key], over[key], [...path, key], tell);
}

/**
 * True where a map is laid over another key by key. `{ $map: ... }` and its like are one value, over which only a change of its own
 * parts can be laid.
 */
function isMerged(base: Record<string, unknown>, over: Record<string, unknown>): boolean {
  if (over.$replace === true) return false;
  const own = Object.keys(over).filter((key) => key.startsWith("$"));
  if (own.length > 0) return own.every((key) => key in base);
  const below = Object.keys(base).find((key) => key.startsWith("$") && key !== "$replace");
  return (
    below === undefined ||
    (below === "$when" && !("$value" in base)) ||
    Object.keys(over).every((key) => ["to", "else", "name", "type"].includes(key))
  );
}

const bodies = ["query", "headers", "json", "multipart", "form"];

interface Merging {
  layer?: Layer;
  inBody?: boolean;
}

/** Merges a map; any other value replaces the one below it. */
function merge(base: unknown, over: unknown, merging?: Merging): unknown {
  return isPlainObject(over) ? mergeMaps(base, over, merging) : over;
}

/**
 * In a `part`, a line that was taken away stays as undefined, and null is one that had nothing to take away so far. In a body, a null that
 * takes nothing away is left for the compiler to report: its writer may have meant one that is sent.
 */
function mergeMaps(
  base: unknown,
  over: Record<string, unknown>,
  { layer = "last", inBody = false }: Merging = {},
): Record<string, unknown> {
  const merged = new Map(isPlainObject(base) && isMerged(base, over) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(over)) {
    const takesAway = merged.has(key) && merged.get(key) !== null;
    if (key === "$replace" && value === true && layer !== "part") continue;
    if (value !== null && value !== undefined)
      merged.set(key, merge(merged.get(key), value, { layer, inBody: inBody || bodies.includes(key) }));
    else if (layer === "part") merged.set(key, value === undefined || takesAway ? undefined : null);
    else if (layer === "last" && inBody && value === null && !takesAway) merged.set(key, null);
    else merged.delete(key);
  }
  return Object.fromEntries(merged);
}
