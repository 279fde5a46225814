// Requests that a process holds and does not serve.
import { expect } from "chai";
import { watchUnserved } from "../../src/gateway/unserved.ts";

describe("requests that nobody serves", () => {
  const none = () => false;

  it("are those that were held for a while and are not served", () => {
    const unserved = watchUnserved(15_000);
    const isServed = (id: string) => id === "served";
    expect(unserved.among(["served", "held"], isServed, 0)).to.deep.equal([]);
    expect(unserved.among(["served", "held"], isServed, 14_999)).to.deep.equal([]);
    expect(unserved.among(["served", "held"], isServed, 15_000)).to.deep.equal([{ id: "held", isDoubtful: false }]);
    expect(unserved.among(["served"], none, 15_001)).to.deep.equal([]);
  });

  it("are at once those of which that was doubtful", () => {
    const unserved = watchUnserved(15_000);
    for (const id of ["lost", "here", "known"]) unserved.doubt(id);
    unserved.sure("known");
    expect(unserved.among(["lost", "here", "known"], (id) => id === "here", 0)).to.deep.equal([{ id: "lost", isDoubtful: true }]);
    expect(unserved.among(["lost"], none, 1)).to.deep.equal([]);
  });
});
