// What makes a request the one it is.
import { expect } from "chai";
import { fingerprintOf } from "../../src/http/fingerprint.ts";

describe("http: the fingerprint of a request", () => {
  it("keeps a model's own fields apart from what was asked beside them", async () => {
    const request = { model: "m", prompt: "a cat", n: 1 };
    const prints = await Promise.all([
      fingerprintOf({ ...request, channel: "a", images: [] }, { channel: "b" }),
      fingerprintOf({ ...request, channel: "b" }, { channel: "b" }),
      fingerprintOf({ ...request, channel: "a" }, { channel: "a" }),
      fingerprintOf(request, { channel: "b" }),
    ]);
    expect(new Set(prints).size).to.equal(4);
  });
});
