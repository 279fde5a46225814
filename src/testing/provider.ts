// Answers any client as a channel's tests say.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChannelTests } from "../channels/channel.ts";
import type { Exchange } from "../channels/test-grammar.ts";
import { withoutQuery } from "../dialect/address.ts";
import { methods } from "../dialect/call.ts";
import { solidPng } from "../picture/png.ts";
import { didYouMean } from "../schema/suggest.ts";
import { addressOf, answer, onCall, differences, type ReceivedCall } from "./mock.ts";

/** A test as it is played: its exchanges, in order, and the status that its client is answered with. */
interface Played {
  name: string;
  exchanges: Exchange[];
  status: number;
}

/** The exchange that a call is answered with, of the test `name`, and why. */
interface Chosen {
  exchange: Exchange;
  name: string;
  why: string;
}

/**
 * A local provider that answers as a channel's tests say, so that any client can be tried, with any key. A submission that no test
 * has to the letter is answered as the nearest one that succeeds at the same address; what follows it stays with that test. `tell` hears
 * of each call what it was answered with, and why. Rejects where the port is taken.
 */
export async function startProvider(
  tests: ChannelTests,
  port: number,
  tell: (call: string, answered: string) => void = () => undefined,
): Promise<{ url: string; close(): Promise<void> }> {
  let known: Played[] = [];
  let following: { name: string; exchanges: Exchange[] } = { name: "", exchanges: [] };
  const given = new Map<string, Chosen>();
  const next = (call: ReceivedCall, address: string): Chosen | undefined => {
    const at = following.exchanges.findIndex(({ expect }) => addressOf(expect) === address);
    const [follows] = at === -1 ? [] : following.exchanges.splice(at, 1);
    if (follows) return { exchange: follows, name: following.name, why: "it follows there" };
    const chosen = begin(known, call, address);
    // A task whose polls are all used up stays as it was: several clients may wait for the same one.
    if (!chosen) return given.get(address);
    const { name, exchanges } = chosen.test;
    following = { name, exchanges: exchanges.slice(1) };
    return { exchange: chosen.exchange, name, why: chosen.why };
  };
  const server = createServer(
    onCall((call, response) => {
      const address = `${call.method} ${call.path}`;
      const chosen = next(call, address);
      if (chosen) {
        tell(address, `as in the test "${chosen.name}": ${chosen.why}`);
        given.set(address, { ...chosen, why: "as the last time, no further one follows" });
        answer(response, chosen.exchange.reply);
      } else if (call.method === "GET" && /\.(png|jpe?g|webp)(\?|$)/.test(call.path)) {
        // The pictures that answers name.
        tell(address, "with a picture, since no test has it");
        answer(response, { base64: solidPng(64, 64).toString("base64") });
      } else {
        const begins = [...new Set(known.flatMap(({ exchanges: [first] }) => (first ? [addressOf(first.expect)] : [])))];
        tell(address, `with 404, since no test has it (${didYouMean(address, begins)})`);
        answer(response, { status: 404, json: { error: `no test of ${tests.channel.name} has ${address}` } });
      }
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
    .flatMap(({ name, exchange = [], answer }) =>
      answer ? [{ name, exchanges: exchange.map((one) => withPath(one, tests.channel.otherAddresses)), status: answer.status }] : [],
    )
    .sort((a, b) => a.status - b.status);
  return {
    url,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** An exchange as it is met here: whatever host it is expected at, the call comes to this one, and what it is of `addresses` is this one's address. */
function withPath({ expect, reply }: Exchange, addresses: readonly string[]): Exchange {
  const path = (text: string) => {
    const address = addresses.map(withoutQuery).find((candidate) => text.startsWith(`${candidate}/`));
    return address === undefined ? text.replace(/^https?:\/\/[^/?#]*/, "") : text.slice(address.length);
  };
  return {
    expect: { ...expect, ...Object.fromEntries(methods.flatMap((name) => (name in expect ? [[name, path(String(expect[name]))]] : []))) },
    reply,
  };
}

/** The test that a call begins: the one that expects it to the letter, else the nearest of those that end best. */
function begin(known: readonly Played[], call: ReceivedCall, address: string) {
  const begun = known.flatMap((test) => {
    const [exchange] = test.exchanges;
    return exchange && addressOf(exchange.expect) === address ? [{ test, exchange }] : [];
  });
  const meant = begun.find(({ exchange }) => isMeant(exchange, call));
  if (meant) return { ...meant, why: "the call is the same" };
  const good = begun.filter(({ test }) => test.status === begun[0]?.test.status);
  const [nearest] = good.toSorted((one, other) => distance(one.exchange, call) - distance(other.exchange, call));
  return nearest && { ...nearest, why: `it is the nearest; ${firstDifference(nearest.exchange, call)}` };
}

/** The first difference in the body; headers hold the key. */
function firstDifference({ expect }: Exchange, call: ReceivedCall): string {
  const [first = "it names no body"] = differences({ ...expect, headers: {} }, call);
  // It may hold a picture.
  return first.slice(0, 200);
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
