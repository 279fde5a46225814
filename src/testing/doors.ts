// Runs the doors' own tests: a client in front of a whole gateway, and a mock provider that speaks OpenAI's API behind it.
import { basename, dirname } from "node:path";
import { loadChannels } from "../channels/load.ts";
import { textsOfFolder, type Texts } from "../channels/texts.ts";
import { methods } from "../dialect/call.ts";
import { loadDoors, type LoadedDoor } from "../door/load.ts";
import type { DoorTest } from "../door/test-grammar.ts";
import { ConfigError } from "../errors.ts";
import { createRouting } from "../gateway/routing.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { isOwnPath } from "../http/app.ts";
import { createChoices } from "./choices.ts";
import { readBody, send, type IncomingAnswer } from "../net/send.ts";
import type { Plugin } from "../plugin/define.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { crashIn, watchLog } from "./log.ts";
import { lacking } from "./match.ts";
import { startMock, type Mock } from "./mock.ts";
import type { TestBench } from "./ready-test.ts";

type Client = DoorTest["client"];

/** The channel behind the doors: it sends the whole unified request, and reads OpenAI's answer. */
const channel = (url: string, models: Readonly<Record<string, string>>) => ({
  description: "The provider of the tests of doors.",
  base_url: url,
  keys: ["${env.KEY_OF_TESTS}"],
  models: Object.fromEntries(Object.entries(models).map(([id, schema]) => [id, { schema }])),
  generate: {
    request: { post: "/draw", json: "${request}" },
    result: {
      images: "${body.data}",
      url: "${image.?url}",
      base64: "${image.?b64_json}",
      revised_prompt: "${image.?revised_prompt}",
      each_metadata: "${image.?metadata}",
      created: "${body.?created}",
      usage: "${body.?usage}",
      metadata: "${body.?metadata}",
    },
    stream: {
      partial: { when: 'body.type.endsWith(".partial_image")', index: "${body.?partial_image_index}" },
      result: { when: 'body.type.endsWith(".completed")', base64: "${image.?b64_json}", url: "${image.?url}", usage: "${body.?usage}" },
    },
  },
  edit: { like: "generate", request: { post: "/draw", json: "${request}" } },
});

/** The tests of the doors of a folder, or of those that are named, one by one as they are called for; close the bench behind them. */
export async function openDoorBench(
  folder: string | Texts,
  plugins: ReadonlyMap<string, Plugin>,
  only?: readonly string[],
  limit = 10_000,
): Promise<TestBench> {
  const { doors, problems } = await loadDoors({ folder, isTaken: isOwnPath, withTests: true });
  const meant = doors.filter(({ door }) => only?.includes(door.name) ?? true);
  const isMeant = (file: string) => basename(dirname(file)) === "doors" && only?.includes(basename(file).replace(/\.ya?ml$/, ""));
  const wrong = problems.filter(({ file }) => !only || isMeant(file));
  if (wrong.length > 0) throw new ConfigError(wrong);
  const mock = await startMock();
  const log = watchLog();
  let table: Table = { channels: [], models: new Map() };
  const gateway = await startGateway({ table: () => table, log: log.logger, publicUrl: "https://pictor.test" });
  const run = async ({ door }: LoadedDoor, test: DoorTest): Promise<string[]> => {
    log.lines.length = 0;
    const models = test.models ?? { [typeof test.request?.model === "string" ? test.request.model : "a-model"]: "open" };
    const texts = textsWith(textsOfFolder(folder), { channel: channel(mock.url, models), schemas: Object.values(models) });
    const loaded = await loadChannels({ folder: texts, plugins, env: { KEY_OF_TESTS: "a-key-of-tests" } });
    table = createTable(loaded, { doors: [door], defaultModel: Object.keys(models)[0] });
    // Each test starts without what the one before has left.
    Object.assign(gateway.gateway, { routing: createRouting(), choices: createChoices() });
    const failures = await runTest(test, mock, gateway, limit);
    return failures.length === 0 ? [] : [...failures, ...log.lines.flatMap(crashIn)];
  };
  const tests = meant.flatMap((loaded) =>
    loaded.tests({ key: gateway.key }).map(({ test, file, line }) => ({
      channel: `doors/${loaded.door.name}`,
      file,
      line,
      name: test.name,
      run: () => run(loaded, test),
    })),
  );
  const close = async () => {
    await gateway.close();
    await mock.close();
  };
  return { tests, close };
}

/** A folder of one channel, with the schemas that it needs from another. */
function textsWith(real: Texts, { channel: only, schemas }: { channel: object; schemas: readonly string[] }): Texts {
  const text = Buffer.from(JSON.stringify(only));
  const names = ["common", ...new Set(schemas)].map((name) => `models/${name}.json`);
  return {
    list: (below = ".") => Promise.resolve(below === "." ? ["provider.yaml"] : below === "models" ? names : []),
    read: (name) => (name === "provider.yaml" ? Promise.resolve(text) : real.read(name)),
    readNow: (name) => real.readNow(name),
    shown: (name) => real.shown(name),
  };
}

async function runTest(test: DoorTest, mock: Mock, gateway: TestGateway, limit: number): Promise<string[]> {
  const { request, result = {}, failure, stream, answer } = test;
  const late = AbortSignal.timeout(limit);
  const reply = failure ?? (stream ? { sse: stream.map((data) => ({ data })) } : { json: result });
  mock.play(request ? [{ expect: { post: "/draw", json: request }, reply }] : []);
  try {
    for (const client of test.before ?? []) await readBody(await call(client, gateway, late), Infinity, late);
    const response = await call(test.client, gateway, late);
    const text = (await readBody(response, Infinity, late)).toString("utf8");
    return [...mock.complaints(), ...judged(response, text, answer)];
  } catch (error) {
    if (!late.aborted) throw error;
    return [`the test did not end in ${limit / 1000} s`, ...mock.complaints()];
  }
}

function call({ headers = {}, json, ...address }: Client, { url, key }: TestGateway, signal: AbortSignal): Promise<IncomingAnswer> {
  const method = methods.find((name) => address[name] !== undefined) ?? "get";
  const all: Record<string, string | null> = {
    authorization: `Bearer ${key}`,
    ...(json !== undefined && { "content-type": "application/json" }),
    ...headers,
  };
  return send(
    {
      method: method.toUpperCase() as Uppercase<typeof method>,
      url: url + (address[method] ?? "/"),
      headers: Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))),
      ...(json !== undefined && { body: Buffer.from(typeof json === "string" ? json : JSON.stringify(json)) }),
    },
    signal,
  );
}

function judged({ status, headers }: IncomingAnswer, text: string, answer: DoorTest["answer"]): string[] {
  const events = headers["content-type"] === "text/event-stream" ? eventsOf(text) : undefined;
  const body = events ?? parsed(text);
  return [
    ...(status === answer.status ? [] : [`the answer's status is ${status}, expected ${answer.status}: ${text.slice(0, 600)}`]),
    ...Object.entries(answer.headers ?? {}).flatMap(([name, value]) =>
      lacking(headers[name.toLowerCase()] ?? null, value, `header ${name}`),
    ),
    ...("json" in answer ? lacking(body, answer.json, "answer") : []),
    ...(answer.events ? lacking(events, answer.events, "events") : []),
  ];
}

/** The data of the events; comments are no events. */
function eventsOf(text: string): unknown[] {
  return text.split("\n\n").flatMap((block) => {
    const data = block.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice("data: ".length)] : []));
    return data.length === 0 ? [] : [parsed(data.join("\n"))];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
