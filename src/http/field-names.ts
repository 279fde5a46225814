// Reads the names of a form's texts: objects and lists are written as `style[mood]` and `tags[]`.
import { GatewayError } from "../errors.ts";

type Node = string | Branch;

interface Branch {
  items: Map<string, Node>;
  /** True where its items have no names. */
  isList: boolean;
}

/**
 * The texts of a form with their names read back into the objects and lists that both OpenAI SDKs made them of. Throws a 400 for a name
 * that is there twice.
 */
export function readNames(texts: readonly (readonly [name: string, text: string])[]): Map<string, unknown> {
  const root: Branch = { items: new Map(), isList: false };
  for (const [name, text] of texts) put(root, stepsOf(name), text, name);
  return new Map([...root.items].map(([name, node]) => [name, valueOf(node)]));
}

/** `a[b][]` as `a`, `b` and an empty step; a name that is not of this kind is one step. */
function stepsOf(name: string): string[] {
  const [, first, rest = ""] = /^([^[\]]+)((?:\[[^[\]]*\])+)$/.exec(name) ?? [];
  return first === undefined ? [name] : [first, ...rest.slice(1, -1).split("][")];
}

function put(root: Branch, steps: readonly string[], text: string, name: string): void {
  let branch = root;
  for (const [at, step] of steps.entries()) {
    const isItem = step === "" && at > 0;
    if (branch.items.size > 0 && branch.isList !== isItem) throw clash(name);
    branch.isList = isItem;
    const next = steps[at + 1];
    // Members of an object in a list follow each other until one of them comes again.
    const last = [...branch.items.values()].at(-1);
    const goesOn = isItem && next !== undefined && next !== "" && typeof last === "object" && !last.items.has(next);
    const key = isItem ? String(branch.items.size - (goesOn ? 1 : 0)) : step;
    const found = branch.items.get(key);
    if (next === undefined) {
      if (found !== undefined) throw clash(name);
      branch.items.set(key, text);
      return;
    }
    if (typeof found === "string") throw clash(name);
    const below = found ?? { items: new Map<string, Node>(), isList: false };
    branch.items.set(key, below);
    branch = below;
  }
}

function clash(name: string): GatewayError {
  const shown = shortName(name);
  return new GatewayError("invalid_value", `${shown} is there twice, or as two different things; send it once`, { param: shown });
}

function valueOf(node: Node): unknown {
  if (typeof node === "string") return node;
  const values = [...node.items].map(([name, item]) => [name, valueOf(item)] as const);
  // Some clients number the items of a list.
  const isList = node.isList || values.every(([name], index) => name === String(index));
  return isList ? values.map(([, value]) => value) : Object.fromEntries(values);
}

/** A field's name as a message shows it. */
export function shortName(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}...` : name;
}
