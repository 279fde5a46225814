import { expect } from "chai";
import { growthOf, quantile, valueOf } from "./memory.ts";

const mib = 2 ** 20;

/** A sample each second; `at` gives the resident memory in MB. */
const run = (seconds: number, at: (second: number) => number) =>
  Array.from({ length: seconds }, (_, second) => ({ seconds: second + 1, resident: at(second) * mib, heap: 50 * mib }));

const isFlat = (seconds: number, at: (second: number) => number) => growthOf(run(seconds, at)).every(({ after, limit }) => after <= limit);

describe("soak: memory", () => {
  it("may grow for a minute, and go up and down", () => {
    expect(isFlat(600, (second) => Math.min(second, 60) * 4 + (second % 30))).to.equal(true);
  });

  it("is not flat where it grows on, if only by ten megabytes a minute", () => {
    expect(isFlat(600, (second) => 150 + second / 6)).to.equal(false);
  });

  it("is judged for itself where only the heap grows", () => {
    const samples = run(600, () => 300).map((sample) => ({ ...sample, heap: sample.heap + sample.seconds * mib }));
    expect(growthOf(samples).map(({ what, after, limit }) => [what, after <= limit])).to.deep.equal([
      ["resident", true],
      ["heap", false],
    ]);
  });

  it("is not judged where the run is too short for it", () => {
    expect(growthOf(run(120, (second) => second * 100))).to.deep.equal([]);
  });

  it("is read from the metrics, over all labels", () => {
    const page = '# HELP a b\na{x="1"} 2\na{x="2"} 3.5\nab 7\nb 1e3\n';
    expect([valueOf(page, "a"), valueOf(page, "b"), valueOf(page, "c")]).to.deep.equal([5.5, 1000, 0]);
    expect([quantile([3, 1, 2], 0.5), quantile([], 0.5)]).to.deep.equal([2, 0]);
  });
});
