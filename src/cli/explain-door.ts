// Runs `pictor explain --door`: shows what becomes of a request of another API, and what its client would be answered.
import { readFile } from "node:fs/promises";
import { parse, type ParsedUrlQuery } from "node:querystring";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { shipped } from "../channels/proven.ts";
import type { ChannelTests } from "../channels/channel.ts";
import type { Door, Drawing } from "../door/compile.ts";
import { loadDoors } from "../door/load.ts";
import { rendered, understand, type Foreign } from "../door/understand.ts";
import { ConfigError, GatewayError, type ErrorCode } from "../errors.ts";
import { ExpressionFailure } from "../expression/cel.ts";
import { refusalOf } from "../gateway/explain.ts";
import type { Made } from "../gateway/kept-answer.ts";
import { createTable } from "../gateway/table.ts";
import { isOwnPath } from "../http/app.ts";
import type { ClientMessage } from "../http/bytes.ts";
import { doorAnswer, saidVariables, type Said } from "../http/door-answer.ts";
import { saidError } from "../http/door-errors.ts";
import { writeEvents } from "../http/door-events.ts";
import { foreignOf, foreignQuery, routesAt } from "../http/doors.ts";
import { usualLimits } from "../http/input-limits.ts";
import { unknownModel } from "../http/models.ts";
import { readRequest, type ReadRequest } from "../http/request.ts";
import type { Put } from "../http/write.ts";
import type { KeptData } from "../picture/keep.ts";
import type { Picture } from "../picture/picture.ts";
import { solidPng } from "../picture/png.ts";
import { colours } from "../process/colours.ts";
import { channelTexts, readSettings, type ProcessSettings } from "../process/environment.ts";
import { readGatewayFile } from "../process/gateway-file.ts";
import { didYouMean } from "../schema/suggest.ts";
import { exitCodeOf, indent, loadAll, routesFor, shown, stepsOf, summary, type ExplainOptions, type Step } from "./explain.ts";

interface Around {
  env: Readonly<Record<string, string | undefined>>;
  say: (line: string) => void;
  stdin?: Readable;
}

/** Options of a command line; those that say something of a native request are refused. */
type DoorOptions = Omit<ExplainOptions, "door"> & { fields?: readonly string[] };

/** A door's route that makes pictures, met by a path and a query. */
interface Met {
  door: Door;
  drawing: Drawing;
  path: Record<string, string>;
  query: ParsedUrlQuery;
}

/** The request's id in what is shown. */
const id = "(id)";

/**
 * `pictor explain --door NAME PATH`: the request of another API in the gateway's words, what becomes of it on each channel, and the shape of the answer
 * and of an error. Nothing is sent. Returns the exit code. Throws an Error for a door or a path that is not there.
 */
export async function explainDoor(name: string, address: string, options: DoorOptions, { env, say, stdin }: Around): Promise<number> {
  const { json = false, body = "{}", fields = [], image = [], mask, stream, now = Date.now() } = options;
  if (fields.length + image.length > 0 || mask !== undefined || stream)
    throw new Error("with --door the whole request stands in its path and in --body; leave other fields and options out");
  const settings = readSettings(env);
  const met = meet(await doorNamed(name, settings), address);
  const { tests, off } = await loadAll(settings, env);
  const { routing } = await readGatewayFile(settings.config.file, env, { named: settings.config.named });
  const message = await messageOf(body, stdin);
  let known: Awaited<ReturnType<typeof readForeign>>;
  try {
    known = await readForeign(message, met, { tests, defaultModel: routing.defaultModel });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const answer = errorOf(met, error);
    const expression = error.cause instanceof ExpressionFailure ? error.cause.message : undefined;
    const refused = { ...refusalOf(error), expression };
    if (json) say(JSON.stringify({ refused, channels: [], error: answer }, null, 2));
    else {
      say(colours.red(`${error.code}: ${error.message}`));
      if (expression !== undefined) say(`in the door's file: ${expression}`);
      for (const line of errorLines("the answer", answer)) say(line);
    }
    return 1;
  }
  const { read, said } = known;
  const { entry } = read;
  const steps = await stepsOf(entry.routes, read, { off, now });
  const answer = await answerOf(met, read, said, steps);
  const refused = steps.find((step) => step.refused)?.refused;
  const isRefused = exitCodeOf(steps) === 1 && refused !== undefined;
  const error = errorOf(met, isRefused ? new GatewayError(refused.code as ErrorCode, refused.message, refused) : unknownModel("nobody"));
  if (json) say(JSON.stringify({ ...summary(read, steps, entry.schema.open), ...(!isRefused && answer), error }, null, 2));
  else {
    for (const line of shown(read, steps, entry.schema.open)) say(line);
    for (const line of isRefused ? [] : answerLines(answer)) say(line);
    for (const line of errorLines(isRefused ? "the answer" : "an error, such as for a model that is not there", error)) say(line);
  }
  return exitCodeOf(steps);
}

/** Read the request as the gateway would, with every model on every channel. Throws a `GatewayError` for one that it would refuse. */
async function readForeign(
  message: ClientMessage,
  met: Met,
  { tests, defaultModel }: { tests: readonly ChannelTests[]; defaultModel: string | undefined },
): Promise<{ read: ReadRequest; said: Said }> {
  let foreign: Foreign;
  const saidOf = (request: Said["request"]): Said => ({ id, foreign, request });
  const read = await readRequest(message, {
    operation: met.drawing.operation,
    usualModel: defaultModel,
    find: (model) => {
      const entry = createTable({ channels: [], routes: routesFor(tests, model) }).models.get(model);
      if (!entry) throw unknownModel(model);
      return entry;
    },
    limits: usualLimits,
    spool: { take: held },
    signal: new AbortController().signal,
    voice: {
      optional: met.drawing.optional,
      understand: (body) => {
        foreign = { ...foreignOf({ headers: {}, query: met.query }, { defaultModel }, met, body), kept: {} };
        return understand(met.drawing, foreign);
      },
    },
  });
  return { read, said: saidOf(read.request) };
}

async function doorNamed(name: string, { channels }: ProcessSettings): Promise<Door> {
  const { doors, problems, broken } = await loadDoors({ folder: channelTexts(channels), proven: shipped(), isTaken: isOwnPath });
  if (broken.includes(name)) throw new ConfigError(problems);
  const found = doors.find(({ door }) => door.name === name);
  if (found) return found.door;
  const names = doors.map(({ door }) => door.name);
  throw new Error(`there is no door ${name} (${didYouMean(name, names)})`);
}

/** The route of a path with its query. Throws an Error where none that makes pictures is there. */
function meet(door: Door, address: string): Met {
  const [path = "", search = ""] = address.split("?", 2);
  const query = parse(search);
  for (const { route, path: parameters } of routesAt(door.routes, { path, query }))
    if (route.serves.kind === "drawing") return { door, drawing: route.serves, path: parameters, query };
  const drawing = door.routes.flatMap((route) => (route.serves.kind === "drawing" ? [route.path.written] : []));
  throw new Error(`the door ${door.name} makes no pictures at ${address}; it does at ${drawing.join(", ")}`);
}

/** The body as a message that a client sends. */
async function messageOf(body: string, stdin: Readable = process.stdin): Promise<ClientMessage> {
  const bytes = body === "-" ? await buffer(stdin) : /^\s*[{[]/.test(body) ? Buffer.from(body) : await readFile(body);
  return Object.assign(Readable.from([bytes]), { headers: { "content-type": "application/json" } });
}

/** Holds the images of a body in memory. */
async function held(chunks: AsyncIterable<Buffer>): Promise<KeptData> {
  return { kind: "bytes", bytes: await buffer(chunks) };
}

interface ShownAnswer {
  answer?: unknown;
  /** The answer where it is a stream, as it is written. */
  events?: string;
}

/** The answer to a request that works, with pictures of one pixel. */
async function answerOf({ drawing }: Met, { streams, isAsync }: ReadRequest, said: Said, [step]: readonly Step[]): Promise<ShownAnswer> {
  const { request } = said;
  if (isAsync && drawing.accepted) {
    const job = { id, status: "queued", model: request.model, created_at: 0, expires_at: 0 };
    return { answer: rendered(drawing.accepted, { ...saidVariables(said), job }) ?? null };
  }
  const picture: Picture = {
    data:
      request.response_format === "url"
        ? { kind: "url", url: "https://pictures.invalid/picture.png" }
        : { kind: "bytes", bytes: solidPng(1, 1) },
    ...{ mediaType: "image/png", width: 1, height: 1 },
  };
  const pictures = Array.from({ length: request.n }, () => picture);
  const made: Made = { result: { pictures, errors: [], facts: { created: 0 } }, changes: step?.changes ?? [] };
  let text = "";
  const put: Put = (chunk) => void (text += String(chunk));
  if (streams) await writeEvents(drawing, said, made, put);
  else await (await doorAnswer(drawing, said, made)).writeTo(put);
  return streams ? { events: text } : { answer: JSON.parse(text) as unknown };
}

function errorOf({ door, path, query }: Met, error: GatewayError): { status: number; body: unknown } {
  const said = saidError(door, { id, path, query: foreignQuery({ query }, door) }, error);
  return said ? { status: said[0], body: JSON.parse(said[1]) as unknown } : { status: error.status, body: error.toJSON() };
}

function answerLines({ answer, events }: ShownAnswer): string[] {
  return events === undefined
    ? ["", colours.bold("the answer, where each picture has one pixel:"), indent(answer)]
    : ["", colours.bold("the answer, a stream, where each picture has one pixel:"), events.trimEnd().replace(/^/gm, "  ")];
}

function errorLines(what: string, { status, body }: ReturnType<typeof errorOf>): string[] {
  return ["", colours.bold(`${what}: HTTP ${status}`), indent(body)];
}
