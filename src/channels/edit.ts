// Completes the operation `edit` with parts of `generate`.
import { bodies, methods } from "../dialect/call.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Path } from "../expression/rendering.ts";
import { overlayOperation } from "./overlay.ts";
import { movedPlaces, placeOf, type Located } from "./problems.ts";

/** Parts of `generate` that an edit uses if it has none of its own. */
const shared = ["success", "poll", "cancel", "result"];

/**
 * The channel of a model, with its `edit` completed: laid over the whole of `generate` with `like: generate`; otherwise only the parts that follow
 * the submission are taken from `generate`.
 */
export function withEdit(located: Located): Located {
  const { generate, edit } = located.value;
  if (!isPlainObject(edit)) return located;
  const { like, ...own } = edit;
  const base: Located = { value: isPlainObject(generate) ? generate : {}, places: movedPlaces(located.places, ["generate"], []) };
  const over: Located = { value: own, places: movedPlaces(located.places, ["edit"], []) };
  const whole = overlayOperation(like === undefined ? sharedWith(own, base) : inKind(own, base), over);
  // A key that null has removed is dropped, as if it had never been there.
  const value = Object.fromEntries(Object.entries(whole.value).filter(([, part]) => part !== null && part !== undefined));
  return {
    value: { ...located.value, edit: { ...(like !== undefined && { like }), ...value } },
    places: new Map([...located.places, ...movedPlaces(whole.places, [], ["edit"])]),
  };
}

/** The path at which a value was written: a value that `edit` takes from `generate` is reported at `generate`. */
export function asWritten(places: Located["places"], [first, ...rest]: Path): Path {
  const [edit, generate] = [
    ["edit", ...rest],
    ["generate", ...rest],
  ] as const;
  if (first !== "edit") return [...(first === undefined ? [] : [first]), ...rest];
  return placeOf(places, edit).place === placeOf(places, generate).place ? generate : edit;
}

function sharedWith(own: Record<string, unknown>, { value, places }: Located): Located {
  return { value: Object.fromEntries(Object.entries(value).filter(([name]) => shared.includes(name) && !(name in own))), places };
}

/** The generation with the method and the kind of body of its edit, which may be a form where the other is JSON. */
function inKind(own: Record<string, unknown>, { value, places }: Located): Located {
  const { request: call } = own;
  const { request, stream } = value;
  if (!isPlainObject(call) || !isPlainObject(request)) return { value, places };
  const kind = bodies.find((name) => isPlainObject(call[name]));
  const before = bodies.find((name) => request[name] !== undefined);
  const others: string[] = methods.some((name) => typeof call[name] === "string") ? methods.filter((name) => !(name in call)) : [];
  const kept = Object.fromEntries(Object.entries(request).filter(([name]) => !others.includes(name)));
  if (kind === undefined || before === undefined || before in call) return { value: { ...value, request: kept }, places };
  const inIts = (part: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(part).map(([name, item]) => [name === before ? kind : name, item]));
  const streamed = isPlainObject(stream) && isPlainObject(stream.request) && { stream: { ...stream, request: inIts(stream.request) } };
  return {
    value: { ...value, request: inIts(kept), ...streamed },
    places: new Map([
      ...places,
      ...movedPlaces(places, ["request", before], ["request", kind]),
      ...movedPlaces(places, ["stream", "request", before], ["stream", "request", kind]),
    ]),
  };
}
