import { expect } from "chai";
import { setTimeout as delay } from "node:timers/promises";
import { createNotes, createRelay } from "../../src/process/notes.ts";
import type { FromWorker, ToWorker } from "../../src/process/messages.ts";

type Peer = "one" | "two" | "three" | "starting";

describe("a note to the other processes", () => {
  /** Processes with the messages that each was sent; `two` and `three` serve beside the sender. */
  function crew() {
    const sent: [Peer, ToWorker][] = [];
    const relay = createRelay<Peer>((to, message) => void sent.push([to, message]));
    const messages: FromWorker[] = [];
    const notes = createNotes((message) => void messages.push(message));
    const share = (note: string) => {
      let isShared = false;
      const shared = notes.send({ topic: "t", note }).then(() => (isShared = true));
      const message = messages.at(-1);
      if (message?.pictor === "note")
        relay.note("one", message, { others: ["two", "three", "starting"], serve: new Set<Peer>(["two", "three"]) });
      return { shared, isShared: () => delay(0).then(() => isShared) };
    };
    /** Hand the sender what the first process sent back. */
    const handBack = () => sent.forEach(([to, message]) => to === "one" && message.pictor === "noted" && notes.noted(message));
    const idFor = (peer: Peer) => sent.flatMap(([to, message]) => (to === peer && message.pictor === "note" ? [message.id] : [])).at(-1)!;
    return { relay, sent, share, handBack, idFor };
  }

  it("is with all that serve before its sender goes on, and goes to one that starts too", async () => {
    const { relay, sent, share, handBack, idFor } = crew();
    const { isShared, shared } = share("n");
    expect(sent.map(([to, message]) => [to, message.pictor, "note" in message && message.note])).to.have.deep.members([
      ["two", "note", "n"],
      ["three", "note", "n"],
      ["starting", "note", "n"],
    ]);
    relay.noted("two", { pictor: "noted", id: idFor("two") });
    handBack();
    expect(await isShared()).to.equal(false);
    relay.noted("three", { pictor: "noted", id: idFor("three") });
    handBack();
    await shared;
  });

  it("waits for none that has ended, and is reported to no sender that has", async () => {
    const { relay, sent, share, handBack } = crew();
    const { shared } = share("n");
    relay.gone("three");
    relay.gone("two");
    handBack();
    await shared;
    sent.length = 0;
    void share("m");
    relay.gone("one");
    relay.gone("two");
    relay.gone("three");
    expect(sent.filter(([to]) => to === "one")).to.deep.equal([]);
  });

  it("keeps its sender no longer than a second where another stands still", async () => {
    const { share } = crew();
    const began = performance.now();
    await share("n").shared;
    expect(performance.now() - began).to.be.within(900, 5000);
  });

  it("is not confused by an answer to nothing", () => {
    const { relay, sent } = crew();
    relay.noted("two", { pictor: "noted", id: 7 });
    expect(sent).to.deep.equal([]);
  });
});
