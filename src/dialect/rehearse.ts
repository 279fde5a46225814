// Renders the calls around a submission without sending them. Placeholders replace the values of answers.
import { GatewayError } from "../errors.ts";
import { ExpressionFailure, isPlainObject } from "../expression/cel.ts";
import type { Names } from "../expression/names.ts";
import type { Path, TemplateOptions } from "../expression/rendering.ts";
import type { OutgoingRequest } from "../net/send.ts";
import type { Before } from "./before.ts";
import { compileCall, methods } from "./call.ts";
import { variablesOf, type CallContext } from "./context.ts";
import { waits, type PollSpec } from "./poll.ts";

/** The calls before a submission, the placeholders for their answers by name, and the poll of a task. */
export interface Rehearsal {
  calls: OutgoingRequest[];
  standIns: Record<string, unknown>;
  poll: () => Promise<RehearsedPoll | undefined>;
}

export interface RehearsedPoll {
  request: OutgoingRequest;
  /** The waits before the first polls, in milliseconds. */
  after: number[];
}

interface Parts {
  spec: { before?: object; poll?: PollSpec };
  path: Path;
  names: Names;
  before: readonly Before[];
  readDocument?: TemplateOptions["readDocument"];
}

/** Rehearses the calls around a submission of `context`. A poll that cannot be rendered without a real answer is left out. */
export async function rehearse({ spec, path, names, before, readDocument }: Parts, context: CallContext): Promise<Rehearsal> {
  const reads = readsOf(spec);
  const items = reads.filter(({ root }) => root === "item");
  const calls: OutgoingRequest[] = [];
  const standIns: Record<string, unknown> = {};
  for (const { name, call, scopes, each } of before) {
    const made = scopes({ ...variablesOf(context), before: standIns });
    for (const scope of made) calls.push((await rehearsed(() => call(context, scope))).request);
    const own = reads.flatMap(({ root, steps, json }) => (root === "before" && steps[0] === name ? [{ steps: steps.slice(1), json }] : []));
    // With `each`, a template reads one answer by its index, or as the `item` of a list.
    const ofOne = [...own.filter(({ steps }) => steps[0] === place).map((read) => ({ ...read, steps: read.steps.slice(1) })), ...items];
    if (each) standIns[name] = made.map((_, index) => standIn(ofOne, `before.${name}.${index}`));
    else if (made.length > 0) standIns[name] = standIn(own, `before.${name}`);
  }
  return { calls, standIns, poll: () => rehearsePoll({ spec, path, names, before, readDocument }, context, standIns) };
}

/** Renders a call from placeholders. Throws a 400 if an expression can be computed only with a real answer. */
export async function rehearsed<Rendered>(render: () => Promise<Rendered>): Promise<Rendered> {
  try {
    return await render();
  } catch (error) {
    const { cause } = error as Error;
    if (!(cause instanceof ExpressionFailure) || !/\bbefore\b/.test(cause.message)) throw error;
    throw new GatewayError(
      "invalid_value",
      "this request is computed from the answer to an earlier call, and only a real answer can be shown in it",
      {
        cause,
      },
    );
  }
}

async function rehearsePoll(
  { spec, path, names, readDocument }: Parts,
  context: CallContext,
  before: object,
): Promise<RehearsedPoll | undefined> {
  if (!spec.poll) return undefined;
  const parts = [...methods, "query", "headers", "json", "multipart", "form"] as const;
  const written = parts.map((part): unknown => spec.poll?.[part]);
  const reads = readsOf(written);
  const of = (...roots: string[]) => reads.filter(({ root }) => roots.includes(root));
  const inSubmission = (part: string) =>
    of("submission").flatMap(({ steps, json }) => (steps[0] === part ? [{ steps: steps.slice(1), json }] : []));
  const body = standIn([...of("submitted", "body"), ...inSubmission("body")], "submitted");
  const headers = standIn([...of("headers"), ...inSubmission("headers")], "headers");
  const answer = { status: 200, headers, body };
  const call = compileCall(spec.poll, [...path, "poll"], { names, readDocument, report: () => undefined });
  try {
    const { request } = await call(context, { before, submitted: body, submission: answer, ...answer });
    const pace = waits(spec.poll.every);
    return { request, after: [1, 2, 3].map(() => Math.round(pace.next().value)) };
  } catch {
    return undefined;
  }
}

/**
 * A value of an answer that an expression reads. A step `place` is an index of a list. `json` is true if the value is a text that is parsed
 * as JSON.
 */
interface Read {
  root: string;
  steps: string[];
  json: boolean;
}

const place = "[]";
const pattern = /(json\()?\b(before|item|submitted|submission|body|headers)((?:\.\??\w+\b(?!\()|\[\??(?:\d+|index|"[^"]*"|'[^']*')\])*)/g;

function readsOf(spec: unknown): Read[] {
  return textsOf(spec).flatMap((text) =>
    [...text.matchAll(pattern)].map(([, json, root = "", path = ""]) => ({
      root,
      steps: [...path.matchAll(/\.\??(\w+)|\[\??(?:\d+|index|["']([^"']*)["'])\]/g)].map(([, name, quoted]) => name ?? quoted ?? place),
      json: json !== undefined,
    })),
  );
}

function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return isPlainObject(value) ? Object.values(value).flatMap(textsOf) : [];
}

/** Makes a placeholder that has all the members that are read, each named after its place. */
function standIn(reads: readonly Pick<Read, "steps" | "json">[], label: string): unknown {
  const deeper = new Map<string, Pick<Read, "steps" | "json">[]>();
  for (const { steps, json } of reads) {
    const [first, ...rest] = steps;
    if (first !== undefined) deeper.set(first, [...(deeper.get(first) ?? []), { steps: rest, json }]);
  }
  if (deeper.has(place)) return [standIn(deeper.get(place) ?? [], `${label}.0`)];
  if (deeper.size > 0) return Object.fromEntries([...deeper].map(([name, own]) => [name, standIn(own, `${label}.${name}`)]));
  if (reads.some(({ json }) => json)) return JSON.stringify({ [`(${label})`]: "..." });
  // A later call needs a valid URL; the domain .invalid belongs to nobody.
  if (/(?:url|uri|href|location)$/i.test(label)) return `https://${label.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}.invalid/`;
  return `(${label})`;
}
