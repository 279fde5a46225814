// The clients that are shown the pictures of one request as they come.
import { expect } from "chai";
import { createViewers, mostBehind } from "../../src/gateway/viewers.ts";
import type { Picture } from "../../src/picture/picture.ts";
import type { Shown } from "../../src/plugin/compose.ts";

const picture: Picture = { data: { kind: "url", url: "https://example.com/a.png" } };
const viewers = () => createViewers((one) => Promise.resolve(one));
const finished = (call: number): Shown => ({ picture, call, facts: {} });

describe("gateway: clients of one stream", () => {
  it("do not wait for the slowest, which gets every finished picture and leaves out unfinished ones", async () => {
    const { events, add } = viewers();
    const [slow, quick]: [Shown[], Shown[]] = [[], []];
    let goOn!: () => void;
    const taken = new Promise<void>((resolve) => (goOn = resolve));
    add({
      accepted: () => undefined,
      show: (shown) => {
        slow.push(shown);
        return taken;
      },
    });
    add({
      accepted: () => undefined,
      show: (shown) => {
        quick.push(shown);
        return Promise.resolve();
      },
    });
    const unfinished = Array.from({ length: mostBehind + 3 }, (_, partial): Shown => ({ ...finished(0), partial }));
    for (const shown of [...unfinished, finished(1)]) await events.show(shown);
    expect(quick.length).to.equal(unfinished.length + 1);
    expect(slow.map(({ partial }) => partial)).to.deep.equal([...unfinished.slice(0, mostBehind).map(({ partial }) => partial), undefined]);
    goOn();
    await taken;
    await events.show({ ...finished(2), partial: 0 });
    expect(slow.length).to.equal(mostBehind + 2);
  });

  it("take nothing from the others when they go", async () => {
    const { events, add } = viewers();
    const seen: Shown[] = [];
    let tries = 0;
    add({ accepted: () => undefined, show: () => Promise.reject(new Error(`gone ${(tries += 1)}`)) });
    const leave = add({ accepted: () => undefined, show: (shown) => Promise.resolve(void seen.push(shown)) });
    await events.show(finished(0));
    await events.show(finished(1));
    leave();
    await events.show(finished(2));
    expect([tries, seen.length]).to.deep.equal([1, 2]);
  });
});
