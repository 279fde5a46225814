import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { loadChannels, type ChannelTests } from "../channels/load.ts";
import { isPlainObject } from "../expression/cel.ts";
import { createTable, type Table } from "../gateway/table.ts";
import type { Plugin } from "../plugin/define.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { startMock, type Exchange, type Mock } from "./mock.ts";

/** How one test of a channel ended. */
export interface TestOutcome {
  channel: string;
  file: string;
  name: string;
  /** What was otherwise than the test says; empty when it passed. */
  failures: string[];
}

interface ChannelTest {
  name: string;
  request: Record<string, unknown>;
  exchange?: Exchange[];
  answer: { status: number; headers?: Record<string, string>; json?: unknown };
}

/**
 * Run the channels' own tests: real sockets, a mock provider and the gateway on loopback, nothing else is reached.
 * `only` names channels. Throws `ConfigError` where the files themselves are wrong.
 */
export async function runChannelTests(
  folder: string,
  plugins: ReadonlyMap<string, Plugin>,
  only?: readonly string[],
): Promise<TestOutcome[]> {
  const mock = await startMock();
  const env = await testEnvironment(folder, mock.url);
  let table: Table = { channels: [], models: new Map() };
  const gateway = await startGateway({ table: () => table });
  try {
    const loaded = await loadChannels({ folder, plugins, env, only, readSecret: (path) => `file:${path}`, wait: noWait });
    const outcomes: TestOutcome[] = [];
    for (const tests of loaded.tests) {
      table = createTable({ channels: [tests.channel], routes: tests.routes });
      for (const test of testsOf(tests, mock, env))
        outcomes.push({ channel: tests.channel.name, file: tests.file, name: test.name, failures: await runTest(test, mock, gateway) });
    }
    return outcomes;
  } finally {
    await gateway.close();
    await mock.close();
  }
}

/** Polls do not wait in tests, but an aborted request ends all the same. */
function noWait(_milliseconds: number, signal: AbortSignal): Promise<void> {
  return setImmediate(undefined, { signal });
}

function testsOf(tests: ChannelTests, mock: Mock, env: Record<string, string>): ChannelTest[] {
  return tests.render({ base_url: mock.url, env }) as ChannelTest[];
}

/** Every variable that the files name, set to `env:NAME`; every channel's base URL is the mock's. */
async function testEnvironment(folder: string, url: string): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((entry) => /\.ya?ml$/.test(entry))) {
    for (const [, variable = ""] of (await readFile(join(folder, name), "utf8")).matchAll(/\benv\.\??(\w+)/g))
      env[variable] = `env:${variable}`;
    env[
      `${name
        .replace(/\.ya?ml$/, "")
        .toUpperCase()
        .replaceAll(/[^A-Z0-9]/g, "_")}_BASE_URL`
    ] = url;
  }
  return env;
}

async function runTest({ request, exchange = [], answer }: ChannelTest, mock: Mock, { url, key }: TestGateway): Promise<string[]> {
  mock.play(exchange);
  const response = await fetch(`${url}/v1/images/generations`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(request),
  });
  const body: unknown = await response.json();
  const failures = mock.complaints();
  if (response.status !== answer.status)
    failures.push(`the answer's status is ${response.status}, expected ${answer.status}: ${JSON.stringify(body).slice(0, 600)}`);
  for (const [name, value] of Object.entries(answer.headers ?? {}))
    failures.push(...lacking(response.headers.get(name), value, `header ${name}`));
  if ("json" in answer) failures.push(...lacking(body, answer.json, "answer"));
  return failures;
}

/** Where an answer lacks what was expected. More may be there; in an expected text, `*` stands for anything, and null also means absent. */
function lacking(actual: unknown, expected: unknown, path: string): string[] {
  if (isPlainObject(expected) && isPlainObject(actual))
    return Object.entries(expected).flatMap(([name, value]) =>
      lacking(Object.hasOwn(actual, name) ? actual[name] : undefined, value, `${path}.${name}`),
    );
  if (Array.isArray(expected) && Array.isArray(actual) && actual.length === expected.length)
    return expected.flatMap((value, index) => lacking(actual[index], value, `${path}[${index}]`));
  const same =
    typeof expected === "string" && typeof actual === "string"
      ? matches(actual, expected)
      : JSON.stringify(actual ?? null) === JSON.stringify(expected);
  return same ? [] : [`${path} is ${short(actual)}, expected ${short(expected)}`];
}

function matches(text: string, glob: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  if (rest.length === 0) return text === glob;
  if (!text.startsWith(first) || !text.endsWith(rest.at(-1) ?? "")) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return true;
}

function short(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value).slice(0, 200);
}
