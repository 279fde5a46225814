import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChannelTests } from "../channels/load.ts";
import { solidPng } from "../picture/png.ts";
import { addressOf, answer, callOf, differences, type Exchange, type ReceivedCall } from "./mock.ts";

interface Test {
  exchange?: Exchange[];
  /** Absent where the client hangs up, for which a test is no answer to others. */
  answer?: { status: number };
}

/**
 * A local provider that answers as a channel's tests say, so that any client can be tried, with any key. A submission that no test
 * has to the letter is answered as the first test that succeeds at the same address; what follows it stays with that test. Rejects
 * where the port is taken.
 */
export async function startProvider(tests: ChannelTests, port: number): Promise<{ url: string; close(): Promise<void> }> {
  let known: Exchange[][] = [];
  let following: Exchange[] = [];
  const given = new Map<string, Exchange>();
  const next = (call: ReceivedCall, address: string): Exchange | undefined => {
    const at = following.findIndex(({ expect }) => addressOf(expect) === address);
    if (at !== -1) return following.splice(at, 1)[0];
    const begun = known.filter(([first]) => first && addressOf(first.expect) === address);
    const [first, ...rest] = begun.find(([begin]) => begin && isMeant(begin, call)) ?? begun[0] ?? [];
    if (first) following = rest;
    // A task whose polls are all used up stays as it was: several clients may wait for the same one.
    return first ?? given.get(address);
  };
  const server = createServer((request, response) => {
    void callOf(request).then((call) => {
      const address = `${call.method} ${call.path}`;
      const exchange = next(call, address);
      if (exchange) {
        given.set(address, exchange);
        answer(response, exchange.reply);
      } else if (call.method === "GET" && /\.(png|jpe?g|webp)(\?|$)/.test(call.path))
        // The pictures that answers name.
        answer(response, { base64: solidPng(64, 64).toString("base64") });
      else answer(response, { status: 404, json: { error: `no test of ${tests.channel.name} has ${address}` } });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const written = tests.render({ base_url: url, env: {} }) as Test[];
  const answered = written.flatMap(({ exchange = [], answer }) => (answer ? [{ exchange, status: answer.status }] : []));
  known = answered.sort((a, b) => a.status - b.status).map(({ exchange }) => exchange);
  return {
    url,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Whether a call is what a test expects to the letter, whatever its key. A test that names no body may be about anything. */
function isMeant({ expect }: Exchange, call: ReceivedCall): boolean {
  const namesBody = "json" in expect || "form" in expect || "multipart" in expect;
  return namesBody && differences({ ...expect, headers: {} }, call).length === 0;
}
