// Runs the channels' own tests against a mock provider on loopback.
import { once } from "node:events";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { loadChannels } from "../channels/load.ts";
import { createProblems } from "../channels/problems.ts";
import { shipped } from "../channels/proven.ts";
import { prefixOf } from "../channels/settings.ts";
import { readSource } from "../channels/source.ts";
import type { WrittenTest } from "../channels/test-grammar.ts";
import { channelsVariable, textsOfFolder, type Texts } from "../channels/texts.ts";
import { createRouting } from "../gateway/routing.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { readBody, send, type IncomingAnswer } from "../net/send.ts";
import type { Plugin } from "../plugin/define.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { crashIn, watchLog, type RequestLine } from "./log.ts";
import { lacking } from "./match.ts";
import { openDoorBench } from "./doors.ts";
import { divertedTo, startMock, type Mock } from "./mock.ts";
import type { TestBench, TestOutcome } from "./ready-test.ts";

export type { TestOutcome } from "./ready-test.ts";

/** The name of a door among those of channels. */
const ofDoor = /^doors\//;

/**
 * Run the own tests of channels and doors: real sockets, a mock provider and the gateway on loopback, nothing else is reached.
 * `only` names channels, and doors as `doors/NAME`, `limit` is the longest that one test may take, in milliseconds. Throws `ConfigError` where the files themselves are wrong.
 */
export async function runChannelTests(
  folder: string | Texts,
  plugins: ReadonlyMap<string, Plugin>,
  only?: readonly string[],
  limit?: number,
): Promise<TestOutcome[]> {
  const doors = only?.filter((name) => ofDoor.test(name)).map((name) => name.replace(ofDoor, ""));
  const channels = only?.filter((name) => !ofDoor.test(name));
  const outcomes: TestOutcome[] = [];
  const benches = [
    ...(channels?.length === 0 ? [] : [() => openTestBench(folder, plugins, channels, limit)]),
    ...(doors?.length === 0 ? [] : [() => openDoorBench(folder, plugins, doors, limit)]),
  ];
  for (const open of benches) {
    const bench = await open();
    try {
      for (const { run, ...test } of bench.tests) {
        // A reload shares the process with requests, which get their turn between two tests.
        await setImmediate();
        outcomes.push({ ...test, failures: await run() });
      }
    } finally {
      await bench.close();
    }
  }
  return outcomes;
}

/** The tests of channels that `runChannelTests` runs, one by one as they are called for; close the bench behind them. */
export async function openTestBench(
  folder: string | Texts,
  plugins: ReadonlyMap<string, Plugin>,
  only?: readonly string[],
  limit = 10_000,
): Promise<TestBench> {
  const mock = await startMock();
  const log = watchLog();
  let table: Table = { channels: [], models: new Map() };
  const divert = (url: URL) => divertedTo(mock.url, url);
  const fetchPicture = createPictureFetcher({ retryDelayMs: 1, isWeb: ({ origin }) => origin === mock.url });
  const gateway = await startGateway({
    table: () => table,
    log: log.logger,
    publicUrl: "https://pictor.test",
    fetchPicture: (url, options) => fetchPicture((URL.canParse(url) && divert(new URL(url))) || url, options),
  });
  const close = async () => {
    await gateway.close();
    await mock.close();
  };
  try {
    const env = await testEnvironment(folder, mock.url, only);
    const readSecret = (path: string) => `file:${path}`;
    // Not a word that answers have, such as "token": secrets are masked in them.
    const token = "a-token-of-tests";
    const loaded = await loadChannels({
      ...{ folder, plugins, env, only, proven: shipped(), withTests: true },
      ...{ readSecret, wait: noWait, divert, token },
    });
    const tests = loaded.tests.flatMap((own) => {
      const channel = createTable({ channels: [own.channel], routes: own.routes });
      return own.render({ base_url: mock.url, env }).map(({ test, file, line }) => ({
        channel: own.channel.name,
        file,
        line,
        name: test.name,
        run: async () => {
          log.lines.length = 0;
          table = channel;
          // Each test starts without the health learnt by the one before.
          gateway.gateway.routing = createRouting();
          const failures = await runTest(test, mock, { ...gateway, ended: log.ended }, limit);
          return failures.length === 0 ? [] : [...failures, ...log.lines.flatMap(crashIn)];
        },
      }));
    });
    return { tests, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Polls do not wait in tests, but an aborted request ends all the same. */
function noWait(_milliseconds: number, signal: AbortSignal): Promise<void> {
  return setImmediate(undefined, { signal });
}

/** Every variable that the files of a folder name, set to `env:NAME`, but for the base URL of each channel, which is this one, whoever names it. `only` are the channels whose tests are meant. */
export async function testEnvironment(folder: string | Texts, url: string, only?: readonly string[]): Promise<Record<string, string>> {
  const texts = textsOfFolder(folder);
  const lists = await Promise.all([".", "presets", "tests"].map((below) => texts.list(below).catch(() => [])));
  const env: Record<string, string> = {};
  const isMeant = (name: string) => !name.startsWith("tests/") || (only?.includes(basename(name).replace(/\.ya?ml$/, "")) ?? true);
  for (const name of lists.flat().filter((entry) => entry === channelsVariable || (/\.ya?ml$/.test(entry) && isMeant(entry)))) {
    const text = await texts.read(name).catch(() => Buffer.alloc(0));
    for (const [, variable = ""] of text.toString("utf8").matchAll(/\benv\.\??(\w+)/g)) env[variable] ??= `env:${variable}`;
    const channels =
      name === channelsVariable
        ? Object.keys(readSource(name, text, createProblems())?.value ?? {})
        : [basename(name).replace(/\.ya?ml$/, "")];
    for (const channel of channels) env[`${prefixOf(channel)}_BASE_URL`] = url;
  }
  return env;
}

async function runTest(
  { request, edit, exchange = [], answer }: WrittenTest,
  mock: Mock,
  { url, key, ended }: TestGateway & { ended: () => Promise<RequestLine> },
  limit: number,
): Promise<string[]> {
  const hangUp = new AbortController();
  const late = AbortSignal.timeout(limit);
  const signal = AbortSignal.any([hangUp.signal, late]);
  mock.play(exchange, () => hangUp.abort());
  const bill = ended();
  try {
    // Node's own fetch remembers every port that it ever spoke to, and each reload has a new one.
    const response = await send(
      {
        method: "POST",
        url: `${url}/v1/images/${edit ? "edits" : "generations"}`,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: Buffer.from(JSON.stringify(edit ?? request)),
      },
      signal,
    );
    const text = (await readBody(response, Infinity, signal)).toString("utf8");
    return [
      ...mock.complaints(),
      ...(answer
        ? [...judged(response, text, answer), ...(await costJudged(bill, answer))]
        : ["there is an answer, and the client was to hang up before it"]),
    ];
  } catch (error) {
    // The call that cancels leaves after the client has gone.
    if (hangUp.signal.aborted) await Promise.race([mock.finished(), once(late, "abort")]);
    else if (!late.aborted) throw error;
    return [...(late.aborted ? [`the test did not end in ${limit / 1000} s`] : []), ...mock.complaints()];
  }
}

function judged({ status, headers }: IncomingAnswer, text: string, answer: NonNullable<WrittenTest["answer"]>): string[] {
  const events = headers["content-type"] === "text/event-stream" ? eventsOf(text) : undefined;
  const body: unknown = events ?? JSON.parse(text);
  return [
    ...(status === answer.status
      ? []
      : [`the answer's status is ${status}, expected ${answer.status}: ${JSON.stringify(body).slice(0, 600)}`]),
    ...Object.entries(answer.headers ?? {}).flatMap(([name, value]) =>
      lacking(headers[name.toLowerCase()] ?? null, value, `header ${name}`),
    ),
    ...("json" in answer ? lacking(body, answer.json, "answer") : []),
    ...(answer.events ? lacking(events, answer.events, "events") : []),
  ];
}

/** The cost stands in the log for every kind of answer. */
async function costJudged(bill: Promise<RequestLine>, { cost, cost_from: from }: NonNullable<WrittenTest["answer"]>): Promise<string[]> {
  if (cost === undefined && from === undefined) return [];
  const line = await bill;
  return [
    ...(cost === undefined ? [] : lacking(line.cost_usd, cost, "cost")),
    ...(from === undefined ? [] : lacking(line.cost_from, from, "cost_from")),
  ];
}

/** The data of the events, each of which must be named as it says; comments are no events. */
function eventsOf(text: string): unknown[] {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const [, name, data = ""] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      const parsed = JSON.parse(data) as { type?: string };
      return parsed.type === name ? parsed : { ...parsed, type: `${parsed.type}, in an event named ${name}` };
    });
}
