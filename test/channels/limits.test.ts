// Every limit that a channel file may set has an effect wherever it is taken, and is refused where it would have none.
import { expect } from "chai";
import { channelSchema } from "../../src/channels/grammar.ts";
import type { Route } from "../../src/channels/route.ts";
import { candidatesOf } from "../../src/gateway/candidate.ts";
import { plugins } from "../helpers/channels.ts";
import { channel, eachIsTold, load } from "./mistakes.ts";

interface Limit {
  key: string;
  text: string;
  /** What of a loaded route it changes. */
  seen: (route: Route) => unknown;
  is: unknown;
}

const limitsFor = (route: Route) => candidatesOf(route)[0]?.limits.map(({ scope, ...limit }) => [scope.replace(/#\w+/, "#"), limit]);
const limits: Limit[] = [
  { key: "timeout", text: "{ timeout: 5s }", seen: (route) => route.timeout, is: 5000 },
  { key: "concurrency", text: "{ concurrency: 2 }", seen: limitsFor, is: { concurrency: 2, imagesPerMinute: undefined } },
  { key: "images_per_minute", text: "{ images_per_minute: 3 }", seen: limitsFor, is: { concurrency: undefined, imagesPerMinute: 3 } },
  { key: "per_key", text: "{ per_key: { concurrency: 4 } }", seen: limitsFor, is: { concurrency: 4, imagesPerMinute: undefined } },
  { key: "queue", text: "{ queue: 7 }", seen: ({ channel: { limits } }) => limits.queue, is: 7 },
  { key: "queue_timeout", text: "{ queue_timeout: 9s }", seen: ({ channel: { limits } }) => limits.queueTimeout, is: 9000 },
];
/** Of these it takes a provider that is silent to see anything: test/gateway/faults.ts and test/net/send.test.ts have one. */
const ofTheWire = ["connect", "first_byte"];
/** These are of the channel alone. */
const ofTheChannel = ["queue", "queue_timeout"];

const routeOf = async (text: string) => (await load({ "x.yaml": text }, { X_API_KEY: "k" })).routes[0]!;
const inModel = (text: string): [string, string] => ["  m:\n", `  m: { limits: ${text} }\n`];

describe("the limits of a channel file", () => {
  it("are all tried here", () => {
    const { limits: grammar } = channelSchema(plugins).properties as Record<string, { properties: object }>;
    expect([...limits.map(({ key }) => key), ...ofTheWire].sort()).to.deep.equal(Object.keys(grammar!.properties).sort());
  });

  for (const { key, text, seen, is } of limits) {
    const subject = key === "per_key" ? ["x#", "x#/m"] : ["x", "x/m"];
    const expected = (at: number) => (seen === limitsFor ? [[subject[at], is]] : is);
    it(`have an effect for all of a channel: ${key}`, async () => {
      expect(seen(await routeOf(channel))).not.to.deep.equal(expected(0));
      expect(seen(await routeOf(`${channel}limits: ${text}\n`))).to.deep.equal(expected(0));
    });
    if (!ofTheChannel.includes(key))
      it(`have an effect for one of its models: ${key}`, async () => {
        expect(seen(await routeOf(channel.replace(...inModel(text))))).to.deep.equal(expected(1));
      });
  }

  eachIsTold(
    ofTheChannel.map((key) => ({
      name: `are refused of a model where they are the channel's: ${key}`,
      change: inModel(limits.find((limit) => limit.key === key)!.text),
      expected: [
        `channels/x.yaml:4:${key === "queue" ? 25 : 33}: limits.${key}: all models of a channel share its queue; write it in the channel's own limits`,
      ],
    })),
  );
});
