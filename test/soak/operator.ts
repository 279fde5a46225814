import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Provider } from "./provider.ts";

/** What the gateway of the soak takes for its operator's key. */
export const operatorKey = "sk-soak-operator";

/** A channel of the soak. `restSeconds` is how long it is left alone after failures. */
export function channelFile(url: string, weight: number, restSeconds: number): string {
  return `description: A channel of the soak test.
extends: openai-images
base_url: ${url}
keys: ["\${env.SOAK_KEY_A}", "\${env.SOAK_KEY_B}"]
trusted_hosts: ["127.0.0.1:*"]
weight: ${weight}
cool_down: { after: 3, first: ${restSeconds}s, max: ${restSeconds}s }
models:
  small: { schema: demo }
  slow: { schema: demo }
plugins:
  - response-format
tests:
  - name: a reload asks for this picture first
    request: { model: small, prompt: a cat, response_format: url }
    exchange:
      - expect: { post: /images/generations }
        reply: { json: { data: [{ url: https://pictures.example/1.png }] } }
    answer: { status: 200, json: { data: [{ url: https://pictures.example/1.png }] } }
`;
}

/** What an operator did, and what went otherwise than it should. */
export interface Edits {
  reloads: number;
  broken: number;
  problems: string[];
}

interface Ready {
  status: string;
  reload?: { ok: boolean; at: string; problems: string[] };
}

/** Every so many seconds write a channel's file anew; one in six is broken, and the second first. Each must be noticed before the next. */
export async function editFiles(around: {
  folder: string;
  url: string;
  provider: Provider;
  restSeconds: number;
  every: number;
  goesOn: () => boolean;
}): Promise<Edits> {
  const edits: Edits = { reloads: 0, broken: 0, problems: [] };
  const file = join(around.folder, "channels", "shaky.yaml");
  for (let turn = 0; around.goesOn(); turn += 1) {
    const next = performance.now() + around.every * 1000;
    const isBroken = turn % 6 === 1;
    const whole = channelFile(around.provider.url, 1 + (turn % 2), around.restSeconds);
    await writeFile(`${file}.new`, isBroken ? whole.replace("models:", "modles:") : whole);
    const written = Date.now();
    await rename(`${file}.new`, file);
    const problem = await noticed(around.url, written, !isBroken);
    if (problem !== undefined) edits.problems.push(`edit ${turn + 1}: ${problem}`);
    else edits[isBroken ? "broken" : "reloads"] += 1;
    while (performance.now() < next && around.goesOn()) await delay(50);
  }
  return edits;
}

/** Wait until the gateway has read what was written. Resolves with what is wrong, if anything is. */
async function noticed(url: string, written: number, isGood: boolean): Promise<string | undefined> {
  let ready: Ready | undefined;
  for (let tries = 0; tries < 300; tries += 1) {
    await delay(100);
    const response = await fetch(`${url}/readyz`, { headers: { authorization: `Bearer ${operatorKey}` } });
    ready = (await response.json()) as Ready;
    if (response.status !== 200) return `not ready: ${ready.status}`;
    const { reload } = ready;
    if (!reload || Date.parse(reload.at) < written) continue;
    if (reload.ok !== isGood) return isGood ? `a good file was refused: ${reload.problems.join("; ")}` : "a broken file was taken";
    return isGood || reload.problems.some((line) => /shaky\.yaml:\d+:\d+: .*modles/.test(line))
      ? undefined
      : `the problem is not named: ${reload.problems.join("; ")}`;
  }
  return "the file was not read";
}

/** When a provider's connections were closed, by `performance.now()`, and what went wrong. */
export interface Deaths {
  times: number[];
  problems: string[];
}

/**
 * Let a provider die and come back, every so many seconds, with a third of them away: by turns it breaks everything off, or
 * refuses, finishes what it has and is gone. Each time it is back it must be asked again.
 */
export async function dieAndComeBack(provider: Provider, every: number, deaths: Deaths, goesOn: () => boolean): Promise<void> {
  const rest = async (share: number) => {
    for (const end = performance.now() + share * every * 1000; performance.now() < end && goesOn();) await delay(20);
  };
  for (let turn = 0; goesOn(); turn += 1) {
    const answered = provider.answered;
    await rest(2 / 3);
    if (!goesOn()) return;
    if (provider.answered === answered) deaths.problems.push(`the channel got no request after it came back the ${turn}. time`);
    const isCut = turn % 2 === 0;
    if (!isCut) {
      provider.refuse();
      await rest(1 / 6);
    }
    deaths.times.push(performance.now());
    await provider.die(isCut);
    await rest(isCut ? 1 / 3 : 1 / 6);
    await provider.comeBack();
  }
}
