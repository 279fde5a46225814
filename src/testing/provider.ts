// Answers any client as a channel's tests say.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChannelTests } from "../channels/load.ts";
import type { Exchange } from "../channels/test-grammar.ts";
import { solidPng } from "../picture/png.ts";
import { addressOf, answer, onCall, differences, type ReceivedCall } from "./mock.ts";

/**
 * A local provider that answers as a channel's tests say, so that any client can be tried, with any key. A submission that no test
 * has to the letter is answered as the nearest one that succeeds at the same address; what follows it stays with that test. Rejects
 * where the port is taken.
 */
export async function startProvider(tests: ChannelTests, port: number): Promise<{ url: string; close(): Promise<void> }> {
  let known: { first: Exchange; rest: Exchange[]; status: number }[] = [];
  let following: Exchange[] = [];
  const given = new Map<string, Exchange>();
  const next = (call: ReceivedCall, address: string): Exchange | undefined => {
    const at = following.findIndex(({ expect }) => addressOf(expect) === address);
    if (at !== -1) return following.splice(at, 1)[0];
    const begun = known.filter(({ first }) => addressOf(first.expect) === address);
    const meant = begun.find(({ first }) => isMeant(first, call));
    const good = begun.filter(({ status }) => status === begun[0]?.status);
    const [nearest] = good.toSorted((one, other) => distance(one.first, call) - distance(other.first, call));
    const { first, rest = [] } = meant ?? nearest ?? {};
    if (first) following = rest;
    // A task whose polls are all used up stays as it was: several clients may wait for the same one.
    return first ?? given.get(address);
  };
  const server = createServer(
    onCall((call, response) => {
      const address = `${call.method} ${call.path}`;
      const exchange = next(call, address);
      if (exchange) {
        given.set(address, exchange);
        answer(response, exchange.reply);
      } else if (call.method === "GET" && /\.(png|jpe?g|webp)(\?|$)/.test(call.path))
        // The pictures that answers name.
        answer(response, { base64: solidPng(64, 64).toString("base64") });
      else answer(response, { status: 404, json: { error: `no test of ${tests.channel.name} has ${address}` } });
    }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const written = tests.render({ base_url: url, env: {} }).map(({ test }) => test);
  // A client that hangs up gets no answer, and such a test is none to others.
  known = written
    .flatMap(({ exchange: [first, ...rest] = [], answer }) => (first && answer ? [{ first, rest, status: answer.status }] : []))
    .sort((a, b) => a.status - b.status);
  return {
    url,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** True for a call that a test expects to the letter, whatever its key. A test that names no body matches none. */
function isMeant({ expect }: Exchange, call: ReceivedCall): boolean {
  return namesBody(expect) && differences({ ...expect, headers: {} }, call).length === 0;
}

/** How far a test is from a call: in the kind of answer, then in the body, and in the headers too, for some name the model there. */
function distance({ expect, reply }: Exchange, call: ReceivedCall): number {
  const streams = /event-stream/.test(call.headers.accept ?? "");
  const body = namesBody(expect) ? differences(expect, call).length : 1000;
  return body + (streams === (reply.sse !== undefined) ? 0 : 10_000);
}

function namesBody(expect: Exchange["expect"]): boolean {
  return "json" in expect || "form" in expect || "multipart" in expect;
}
