import { expect } from "chai";
import { cases, type Case } from "../../bench/cases.ts";
import { figures, holds, markdown, median, profileTable, spread } from "../../bench/report.ts";

const small: Case = {
  ...{ name: "small", title: "Small answers", model: "small", format: "url", connections: 1 },
  ...{ peers: ["portkey", "pictor"], shows: ["rate"], goals: [{ of: ["pictor", "rate"], over: ["portkey", "rate"], atLeast: 3 }] },
};
const slices = { portkey: [{ rate: 10 }, { rate: 20 }, { rate: 30 }], pictor: [{ rate: 40 }, { rate: 50 }, { rate: 120 }] };

describe("the benchmark's report", () => {
  it("takes the middle of an odd number of repeats, and between the two middle ones of an even", () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 2, 3])).to.equal(2.5);
  });

  it("shows the range where there is one", () => {
    expect(spread([1, 3, 2], 1)).to.equal("2.0 (1.0–3.0)");
    expect(spread([2], 1)).to.equal("2.0");
    expect(spread([], 1)).to.equal("–");
  });

  it("takes a ratio within its repeat, not of two medians", () => {
    const [goal] = small.goals;
    expect(figures(slices, goal!)).to.deep.equal([4, 2.5, 4]);
    expect(holds([4, 2.5, 4], goal!)).to.equal(true);
    expect(holds([2.5], goal!)).to.equal(false);
  });

  it("does not call a goal met that was not measured", () => {
    const report = markdown({}, [{ case: small, slices: { pictor: slices.pictor }, notes: ["portkey is left out"] }]);
    expect(report).to.include("| pictor ÷ portkey, requests/s | ≥ 3 | – | not measured |").and.include("portkey is left out");
  });

  it("tells peers, medians, ratios and goals", () => {
    const report = markdown({ machine: "two cores" }, [{ case: small, slices, notes: [] }]);
    expect(report).to.include("- machine: two cores");
    expect(report).to.include("| portkey | 20.0 (10.0–30.0) | 0.25 (0.25–0.40) |").and.include("| pictor | 50.0 (40.0–120.0) | 1.00 |");
    expect(report).to.include("| pictor ÷ portkey, requests/s | ≥ 3 | 4.00 (2.50–4.00) | holds |");
  });

  it("tells where time went, but for what is next to nothing", () => {
    const told = profileTable([
      ["got", 0.25],
      ["src/http/app", 0.009],
    ]);
    expect(told).to.include("| got | 25.0 % |").and.not.include("app");
  });

  it("has goals only of what a case measures", () => {
    for (const { name, peers, goals } of cases)
      for (const { of, over } of goals) expect(peers, name).to.include.members([of[0], ...(over ? [over[0]] : [])]);
  });
});
