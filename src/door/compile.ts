// Compiles a door file into the routes that the gateway serves.
import { messageOf } from "../errors.ts";
import { compileCondition } from "../expression/text.ts";
import { compileTemplate } from "../expression/template.ts";
import type { Variables } from "../expression/cel.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Path, Template } from "../expression/rendering.ts";
import type { Located, Problems } from "../channels/problems.ts";
import type { OperationName } from "../schema/models.ts";
import { eventNames, type WrittenDoor, type WrittenRoute } from "./grammar.ts";
import { doorNames, type DoorPlace } from "./names.ts";
import { compilePath, type PathPattern } from "./path.ts";

/** A part of a request that may hold the client's key. */
export type KeyPlace =
  { kind: "bearer" } | { kind: "basic" } | { kind: "header"; name: string; match?: RegExp } | { kind: "query"; name: string };

/** A door: another API that clients may use. */
export interface Door {
  name: string;
  description: string;
  /** The places in which the key is looked for, in order; the gateway's own when absent. */
  keys?: readonly KeyPlace[];
  /** True if snake-case names in the body are read as camel case. */
  camelCase: boolean;
  errors?: { status?: Template; body: Template };
  routes: readonly DoorRoute[];
}

/** A path of a door. */
export interface DoorRoute {
  method: string;
  path: PathPattern;
  /** The known fields of the body, by path: those that a template reads, and those of `defaults` and `ignore`. */
  fields: readonly string[];
  serves: (Drawing | Page) & {
    /** True if a template reads `kept`, the values that the client has stored before. */
    readsKept: boolean;
  };
}

/** A route that makes pictures. */
export interface Drawing {
  kind: "drawing";
  operation: OperationName;
  request: Template;
  optional: ReadonlySet<string>;
  defaults: Readonly<Record<string, unknown>>;
  ignore: ReadonlySet<string>;
  refuse: readonly { holds: (variables: Variables) => boolean; message: string; param?: string }[];
  leftOut: readonly { holds: (variables: Variables) => boolean; field: string }[];
  /** The mark of the pixels that may change in a mask; transparency when absent. */
  mask?: Template;
  streams: (variables: Variables) => boolean;
  answer: Template;
  /**
   * The members of an answer object that read the pictures and nothing else of the provider's answer. The answer may begin with such a member while
   * its picture is still arriving.
   */
  early: ReadonlyMap<string, Template>;
  /** The answer to a request for a job. */
  accepted?: Template;
  events: Readonly<Partial<Record<(typeof eventNames)[number], readonly EventTemplate[]>>>;
}

/** An event of a stream. */
export interface EventTemplate {
  name?: string;
  data: Template;
}

/** A route that makes no pictures, such as a list of models. */
export interface Page {
  kind: "page";
  body: Template;
  model?: Template;
  /** The id of the client's job that the page shows. */
  job?: Template;
  keep: readonly (readonly [name: string, value: Template])[];
  /** True if a template reads the request's body. */
  readsBody: boolean;
}

/** Compiles a door. Mistakes are added to `problems`. */
export function compileDoor(name: string, located: Located<WrittenDoor>, problems: Problems): Door {
  const { description, key, camel_case: camelCase = false, errors, routes } = located.value;
  const at = compilerOf(located, problems);
  return {
    name,
    description,
    camelCase,
    ...(key && { keys: key.flatMap((place, index) => placeOf(place, ["key", index], at)) }),
    ...(errors && {
      errors: {
        ...("status" in errors && { status: at.template(errors.status, ["errors", "status"], "errors") }),
        body: at.template(errors.body, ["errors", "body"], "errors"),
      },
    }),
    routes: Object.entries(routes).flatMap(([address, route]) => {
      const [, method, path = ""] = /^(GET|POST|PUT|PATCH|DELETE) (\/\S*)$/.exec(address) ?? [];
      const compiler = compilerOf(located, problems);
      const serves = compileServing(route, ["routes", address], compiler);
      const fields = [...new Set([...compiler.fields(), ...Object.keys(route.defaults ?? {}), ...(route.ignore ?? [])])];
      if (method !== undefined) return [{ method, path: compilePath(path), fields, serves }];
      at.key(["routes", address], `${JSON.stringify(address)} is no method with a path; write it as POST /v1/draw/{model}`);
      return [];
    }),
  };
}

function placeOf(place: NonNullable<WrittenDoor["key"]>[number], path: Path, at: At): KeyPlace[] {
  if (typeof place === "string") return [{ kind: place }];
  const { header, query, match } = place;
  if ((header === undefined) === (query === undefined)) at.report(path, "a place of the key is one header, or one parameter of the query");
  if (query !== undefined) return [{ kind: "query", name: query }];
  return [
    { kind: "header", name: header?.toLowerCase() ?? "", ...(match !== undefined && { match: patternOf(match, [...path, "match"], at) }) },
  ];
}

function patternOf(written: string, path: Path, at: At): RegExp {
  try {
    return new RegExp(written);
  } catch (error) {
    at.report(path, `no regular expression: ${messageOf(error)}`);
    return /$^/;
  }
}

type At = ReturnType<typeof compilerOf>;

/** Compiles the templates of a file; `uses` collects the names that they read. */
function compilerOf(located: Located<WrittenDoor>, problems: Problems, uses = new Set<string>()) {
  const report = (path: Path, message: string, offset?: number) =>
    problems.add(located, path, `${path.filter((step) => typeof step === "string").join(".")}: ${message}`, { offset });
  const options = (place: DoorPlace) => ({ names: doorNames[place], plainNull: true, report, uses });
  return {
    report,
    key: (path: Path, message: string) => problems.add(located, path, `${String(path[0])}: ${message}`, { at: "key" }),
    fields: () => [...uses].flatMap((used) => (used.startsWith("body.") ? [used.slice("body.".length)] : [])),
    reads: (name: string) => [...uses].some((used) => used.split(".")[0] === name),
    template: (value: unknown, path: Path, place: DoorPlace) => compileTemplate(value, path, options(place)),
    condition: (value: unknown, path: Path) => compileCondition(value, path, options("request")),
  };
}

function compileServing(route: WrittenRoute, path: Path, at: At): DoorRoute["serves"] {
  const isPage = "page" in route;
  const wrong = Object.keys(route).filter((name) => !(isPage ? ofPages : ofDrawings).has(name));
  for (const name of wrong)
    at.report(
      [...path, name],
      isPage ? `a page has no ${name}; a route has page, or operation, request and answer` : `${name} belongs to a page`,
    );
  if (isPage) return { ...compilePage(route, path, at), readsKept: at.reads("kept") };
  for (const name of ["operation", "request", "answer"] as const)
    if (!(name in route)) at.report(path, `${name} is missing; a route has page, or operation, request and answer`);
  return { ...compileDrawing(route, path, at), readsKept: at.reads("kept") };
}

const ofPages = new Set(["page", "model", "job", "keep"]);
const ofDrawings = new Set([
  ...["operation", "request", "optional", "defaults", "ignore", "refuse", "left_out"],
  ...["mask", "stream", "answer", "accepted", "events"],
]);

function compilePage({ page, model, job, keep = {} }: WrittenRoute, path: Path, at: At): Page {
  return {
    kind: "page",
    body: at.template(page, [...path, "page"], "page"),
    ...(model !== undefined && { model: at.template(model, [...path, "model"], "request") }),
    ...(job !== undefined && { job: at.template(job, [...path, "job"], "request") }),
    keep: Object.entries(keep).map(([name, value]) => [name, at.template(value, [...path, "keep", name], "request")] as const),
    readsBody: at.reads("body"),
  };
}

function compileDrawing(route: WrittenRoute, path: Path, at: At): Drawing {
  const {
    operation = "generate",
    request,
    optional = [],
    defaults = {},
    ignore = [],
    refuse = [],
    left_out: leftOut = [],
    stream = false,
    answer,
    events = {},
  } = route;
  if (stream !== false && Object.keys(events).length === 0) at.report([...path, "stream"], "a stream needs events");
  return {
    kind: "drawing",
    operation,
    request: at.template(request, [...path, "request"], "request"),
    optional: new Set(optional),
    defaults,
    ignore: new Set(ignore),
    refuse: refuse.map(({ when, message, param }, index) => ({
      holds: at.condition(when, [...path, "refuse", index, "when"]),
      message,
      ...(param !== undefined && { param }),
    })),
    leftOut: leftOut.map(({ when, field }, index) => ({ holds: at.condition(when, [...path, "left_out", index, "when"]), field })),
    ...("mask" in route && { mask: at.template(route.mask, [...path, "mask"], "request") }),
    streams: typeof stream === "boolean" ? () => stream : at.condition(stream, [...path, "stream"]),
    answer: at.template(answer, [...path, "answer"], "answer"),
    early: earlyMembers(answer, [...path, "answer"]),
    ...("accepted" in route && { accepted: at.template(route.accepted, [...path, "accepted"], "job") }),
    events: Object.fromEntries(
      eventNames.flatMap((name) => (name in events ? [[name, compileEvents(events[name], [...path, "events", name], at)]] : [])),
    ),
  };
}

function earlyMembers(answer: unknown, path: Path): Map<string, Template> {
  if (!isPlainObject(answer) || Object.keys(answer).some((name) => name.startsWith("$"))) return new Map();
  const members = Object.entries(answer).flatMap(([name, value]) => {
    const uses = new Set<string>();
    // Mistakes are not reported here, since compiling the whole answer reports them.
    const template = compileTemplate(value, [...path, name], { names: doorNames.answer, plainNull: true, report: () => undefined, uses });
    return uses.has("result.pictures") && ![...uses].some(isLate) ? [[name, template] as const] : [];
  });
  return new Map(members);
}

/** True for a name whose value is known only when the provider's whole answer has arrived. */
function isLate(name: string): boolean {
  return name !== "result.pictures" && ["result", "usage", "cost", "changes"].includes(name.split(".")[0] ?? "");
}

function compileEvents(written: unknown, path: Path, at: At): EventTemplate[] {
  const list = Array.isArray(written) ? (written as unknown[]) : [written];
  return list.flatMap((one, index) => {
    const place = Array.isArray(written) ? [...path, index] : path;
    if (!isPlainObject(one) || !("data" in one)) {
      at.report(place, "an event is { data: ... }, with its name as event where it has one");
      return [];
    }
    const data = at.template(one.data, [...place, "data"], "event");
    return [{ ...(typeof one.event === "string" && { name: one.event }), data }];
  });
}
