import { expect } from "chai";
import { failureClasses, GatewayError, ProviderFailure, thens, type FailureClass } from "../../src/errors.ts";
import { afterFailure, mayCost, type Next } from "../../src/gateway/after-failure.ts";
import { usualFailure } from "../../src/dialect/failure.ts";
import { usualOf } from "../../src/dialect/usual.ts";

const none = { submitted: false, accepted: false };
const sent = { submitted: true, accepted: false };
const had = { submitted: true, accepted: true };

type Details = ConstructorParameters<typeof ProviderFailure>[2];
const failure = (kind: FailureClass, details: Details = {}) => new ProviderFailure(kind, "no", details);
const status = (code: number, body: unknown = {}) => usualFailure(usualOf({ status: code, headers: {}, body }));

const proof = { notAccepted: true };

// What failed, how far it had come, who is tried next, and who where the operator set retry.unsafe.
const rows: [string, unknown, typeof none, Next, Next][] = [
  ["refused connection", failure("failed", proof), sent, "next_channel", "next_channel"],
  ["reset before sending", failure("failed", proof), sent, "next_channel", "next_channel"],
  ["reset after sending", failure("failed"), sent, "stop", "next_channel"],
  ["time over before sending", failure("timeout", proof), sent, "next_channel", "next_channel"],
  ["time over after sending", failure("timeout"), sent, "stop", "next_channel"],
  ["an answer that is not understood", failure("bad_response"), sent, "stop", "next_channel"],
  ["a picture that cannot be fetched", failure("failed", proof), had, "stop", "next_channel"],
  ["a rule's next_key, but pictures were had", failure("rate_limit", { ...proof, then: "next_key" }), had, "stop", "next_channel"],
  ["a refusal", failure("refused"), sent, "stop", "stop"],
  ["a refusal with a proof and a rule", failure("refused", { ...proof, then: "next_channel" }), sent, "stop", "stop"],
  ["a request that the provider finds wrong", failure("invalid_request"), sent, "stop", "stop"],
  ["the same, which a rule sends on", failure("invalid_request", { ...proof, then: "next_channel" }), sent, "next_channel", "next_channel"],
  ["a size that the channel does not take", new GatewayError("invalid_value", "no"), none, "next_channel", "next_channel"],
  ["the same after another call was made", new GatewayError("invalid_value", "no"), sent, "stop", "stop"],
  ["a plugin's own 500", new GatewayError("internal_error", "no"), none, "stop", "stop"],
  ["a fault in a plugin", new TypeError("no"), none, "stop", "stop"],
  ["the client's hang-up", new Error("the client hung up"), sent, "stop", "stop"],
  ...([401, 402, 403, 404, 405, 425, 429, 503, 529] as const).map((code): (typeof rows)[number] => [
    `status ${code}`,
    status(code),
    sent,
    "next_key",
    "next_key",
  ]),
  ["a call before the submission that is not understood", failure("bad_response", proof), none, "next_key", "next_key"],
  ...([200, 302, 408, 500, 502, 504, 524] as const).map((code): (typeof rows)[number] => [
    `status ${code}`,
    status(code),
    sent,
    "stop",
    "next_channel",
  ]),
  ...([400, 409, 413, 422] as const).map((code): (typeof rows)[number] => [`status ${code}`, status(code), sent, "stop", "stop"]),
  ["429 that is a refusal", status(429, { error: { code: "content_policy_violation" } }), sent, "stop", "stop"],
  ["429 for want of credit", status(429, { error: { code: "insufficient_quota" } }), sent, "next_key", "next_key"],
];

describe("after a failure", () => {
  for (const [name, error, progress, next, unsafe] of rows) {
    it(`${name}: ${next}`, () => {
      expect(afterFailure(error, progress, false)).to.equal(next);
      expect(afterFailure(error, progress, true)).to.equal(unsafe);
    });
  }

  const expected = { fail: "stop", next_key: "next_key", next_channel: "next_channel", retry: "same" };
  for (const then of thens) {
    it(`a rule that says ${then} is obeyed, whatever the class`, () => {
      for (const kind of failureClasses.filter((candidate) => candidate !== "refused"))
        expect(afterFailure(failure(kind, { notAccepted: then !== "fail", then }), sent, false), kind).to.equal(expected[then]);
    });
  }

  it("nobody else is asked without a proof, whatever the class and the rule", () => {
    for (const kind of failureClasses)
      for (const then of [undefined, ...thens])
        expect(afterFailure(failure(kind, { then }), sent, false), `${kind} ${then}`).to.equal("stop");
  });
});

describe("an attempt that failed", () => {
  // What failed, how far it had come, and whether a picture may have to be paid for.
  const costs: [string, unknown, Parameters<typeof mayCost>[1], boolean][] = [
    ["nothing was sent", failure("failed"), none, false],
    ["a proof that nothing was made", failure("failed", proof), sent, false],
    ["no such proof", failure("failed"), sent, true],
    ["a refusal", failure("refused"), sent, false],
    ["a request that the provider finds wrong", failure("invalid_request"), sent, false],
    ["a fault of a plugin", new TypeError("no"), sent, true],
    ["an order that was accepted", failure("failed", proof), had, true],
    ["a refusal after pictures were shown", failure("refused"), { ...sent, shown: true }, true],
    ["a proof after pictures were shown", failure("failed", proof), { ...sent, shown: true }, true],
  ];
  for (const [name, error, progress, expected] of costs)
    it(`${expected ? "may" : "cannot"} have to be paid for: ${name}`, () => expect(mayCost(error, progress)).to.equal(expected));
});
