// Records what another client sends a provider, and what the shipped channel sends it for the same request.
import { expect } from "chai";
import { loadChannels } from "../../src/channels/load.ts";
import { prefixOf } from "../../src/channels/settings.ts";
import { isPlainObject } from "../../src/expression/cel.ts";
import { createTable } from "../../src/gateway/table.ts";
import { solidPng } from "../../src/picture/png.ts";
import { startGateway } from "../../src/testing/gateway.ts";
import { onCall, type ReceivedCall } from "../../src/testing/mock.ts";
import { plugins } from "../helpers/channels.ts";
import { httpProvider } from "../helpers/provider.ts";

/** The key of every provider, and every part of one that has parts. Without `hf_` Hugging Face's client would call its partners itself. */
export const key = "hf_compare";

/** An input image, as bytes and as a data URI. */
export const cat = solidPng(256, 256);
export const catUri = `data:image/png;base64,${cat.toString("base64")}`;

/** A call as a provider gets it: where to, which headers hold the key, and what its body says. */
export interface Sent {
  /** Method, host, path and query. */
  address: string;
  keys: Record<string, string>;
  /** A JSON body, or the parts of a form by name: texts, and `{type, base64}` of files, whose names do not count. */
  body: unknown;
}

/** Where two calls may differ, by the path of the value: what each says there, and why it may. */
export type Allowed = Record<string, { theirs?: unknown; ours?: unknown; why: string }>;

export interface Both {
  /** For the other client: sends its calls to the recorder instead of the provider. */
  fetch: typeof fetch;
  /** The first call that the other client makes. */
  theirs(ask: () => Promise<unknown>): Promise<Sent>;
  /** The first call that the channel makes for a client's request, which is an edit where it has an image. */
  ours(channel: string, request: Record<string, unknown>): Promise<Sent>;
  close(): Promise<void>;
}

/** What the channels read beside a key of the usual name. */
const settings = {
  AZURE_OPENAI_RESOURCE: "ours",
  RELAY_BASE_URL: "https://relay.example/v1",
  AWS_ACCESS_KEY_ID: key,
  AWS_SECRET_ACCESS_KEY: key,
};

/** Start a gateway with these of the shipped channels, and a recorder in the place of their providers, which refuses what it has recorded. */
export async function startBoth(only: readonly string[]): Promise<Both> {
  let calls: Sent[] = [];
  const recorder = await httpProvider(
    onCall((call, response) => {
      calls.push(sentOf(call));
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":{"message":"it is recorded"}}');
    }),
  );
  // The host stays readable as the first step of the path.
  const recorded = (url: string) => url.replace(/^https:\//, recorder.url);
  const env: Record<string, string> = { ...settings };
  const official = await loadChannels({ folder: "channels", plugins, env, only });
  for (const { name, baseUrl } of official.channels) {
    env[`${prefixOf(name)}_BASE_URL`] = recorded(baseUrl);
    env[`${prefixOf(name)}_API_KEY`] = key;
  }
  const { channels, routes } = await loadChannels({ folder: "channels", plugins, env, only });
  let table = createTable({ channels, routes });
  const gateway = await startGateway({ table: () => table });
  const firstOf = async (ask: () => Promise<unknown>): Promise<Sent> => {
    calls = [];
    const told: unknown = await ask().catch((reason: unknown) => reason);
    const [first] = calls;
    if (!first) throw new Error("nothing was sent", { cause: told });
    return first;
  };
  return {
    fetch: (input, init) =>
      input instanceof Request ? fetch(new Request(recorded(input.url), input), init) : fetch(recorded(String(input)), init),
    theirs: firstOf,
    ours: (channel, request) => {
      table = createTable({ channels, routes: routes.filter((route) => route.channel.name === channel) });
      const path = `/v1/images/${"image" in request ? "edits" : "generations"}`;
      const headers = { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" };
      return firstOf(async () =>
        (await fetch(`${gateway.url}${path}`, { method: "POST", headers, body: JSON.stringify({ prompt: "a cat", ...request }) })).text(),
      );
    },
    close: async () => {
      await gateway.close();
      await recorder.close();
    },
  };
}

/** Expect two calls to be the same but for what is allowed, and each of these to differ as it says. */
export function judge(theirs: Sent, ours: Sent, allowed: Allowed = {}): void {
  const expected = Object.entries(allowed).map(([path, values]) => [path, pair(values.theirs, values.ours)]);
  expect(Object.fromEntries(differences(theirs, ours))).to.deep.equal(Object.fromEntries(expected));
}

function differences(theirs: unknown, ours: unknown, path = ""): [string, object][] {
  if ((isPlainObject(theirs) && isPlainObject(ours)) || (Array.isArray(theirs) && Array.isArray(ours))) {
    const [one, other] = [new Map(Object.entries(theirs)), new Map(Object.entries(ours))];
    return [...new Set([...one.keys(), ...other.keys()])].flatMap((name) =>
      differences(one.get(name), other.get(name), path === "" ? name : `${path}.${name}`),
    );
  }
  return JSON.stringify(theirs) === JSON.stringify(ours) ? [] : [[path, pair(theirs, ours)]];
}

/** What each says. Who says nothing is left out. */
function pair(theirs: unknown, ours: unknown): object {
  return { ...(theirs !== undefined && { theirs }), ...(ours !== undefined && { ours }) };
}

function sentOf({ method, path, headers, body, form }: ReceivedCall): Sent {
  return {
    address: `${method} ${path.slice(1)}`,
    // Of a signature only what begins it: the rest depends on the time.
    keys: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (value.includes(key) ? [[name, value.split("/")[0] ?? ""]] : [])),
    ),
    body: form === undefined ? JSON.parse(body.toString("utf8"), withoutChance) : withoutNames(form),
  };
}

/** Each call of a task has a new UUID, which counts as one whatever it is. */
function withoutChance(name: string, value: unknown): unknown {
  return name === "taskUUID" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(value)) ? "a new UUID" : value;
}

function withoutNames(form: unknown): unknown {
  if (Array.isArray(form)) return form.map(withoutNames);
  if (!isPlainObject(form)) return form;
  if ("base64" in form) return { type: form.type, base64: form.base64 };
  return Object.fromEntries(Object.entries(form).map(([field, value]) => [field, withoutNames(value)]));
}
