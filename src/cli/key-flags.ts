// The flags of a command line for what a key may be given, made of the declaration that gateway.yaml has too.
import { Option } from "commander";
import { keyOptions } from "../http/key-options.ts";

type Schema = Readonly<{ type?: string | readonly string[]; description: string }>;

const schemas = Object.entries(keyOptions) as [name: string, schema: Schema][];

/** A flag for each thing that a key may be given; it gives the value as the file would have it. */
export function keyFlags(): Option[] {
  return schemas.map(([name, { type, description }]) => {
    const flag = `--${name.replaceAll("_", "-")}`;
    if (type === "boolean") return new Option(flag, description);
    const form = forms[name] ?? (type === "integer" ? "number" : "text");
    return new Option(`${flag} <${form}>`, description).argParser((text: string) => valueOf(name, type, text));
  });
}

const forms: Readonly<Record<string, string>> = {
  models: "names,...",
  expires: "30d|date",
  may_webhook: "any|names,...",
  budget: "usd/period,...",
};

/** The options of a key among those of a command, by the names that the file has. What is mistaken passes: the gateway says what is wrong with it. */
export function keyOptionsOf(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(schemas.flatMap(([name]) => (given[camel(name)] === undefined ? [] : [[name, given[camel(name)]]])));
}

function valueOf(name: string, type: Schema["type"], text: string, now = Date.now()): unknown {
  if (type === "integer") return numberOf(text);
  if (name === "may_webhook" && text === "any") return text;
  if (name === "budget") return budgetOf(text);
  if ([type].flat().includes("array")) return text.split(",").map((part) => part.trim());
  const [, count, unit] = (name === "expires" && /^(\d{1,5})([hd])$/.exec(text)) || [];
  if (count === undefined) return text;
  const hours = Number(count) * (unit === "d" ? 24 : 1);
  return `${new Date(now + hours * 3_600_000).toISOString().slice(0, 19)}Z`;
}

/** `50/month` as `{ usd: 50, per: month }`, and several with commas between as a list. */
function budgetOf(text: string): unknown {
  const all = text.split(",").map((part) => {
    const [usd = "", per] = part.trim().split("/", 2);
    return { usd: numberOf(usd), per };
  });
  return all.length === 1 ? all[0] : all;
}

function numberOf(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
