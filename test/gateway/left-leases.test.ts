// Leases that their processes have left, on this machine and on others.
import { expect } from "chai";
import { watchLeases } from "../../src/gateway/left-leases.ts";
import { ownName } from "../../src/ledger/owner.ts";

const own = ownName();
const named = (pid: number) => `${own.slice(0, own.indexOf("/"))}/${pid}/x`;
const lease = (owner: string, until = 1) => ({ id: "r", owner, until });

describe("leases that are left", () => {
  it("are those of processes of this machine that have ended, at once", () => {
    const leases = watchLeases(own, 15_000);
    // No system has so many processes.
    const gone = lease(named(99_999_999));
    const before = lease(named(process.pid));
    const living = lease(named(process.ppid));
    expect(leases.among([gone, before, living], 0)).to.deep.equal([gone, before]);
  });

  it("are those of other machines that are not renewed for the time of a lease, whatever their clocks say", () => {
    const leases = watchLeases(own, 15_000);
    const one = lease("other/1/x");
    expect(leases.among([one], 0)).to.deep.equal([]);
    expect(leases.among([one], 14_999)).to.deep.equal([]);
    expect(leases.among([lease("other/1/x", 2)], 15_000)).to.deep.equal([]);
    expect(leases.among([lease("other/1/x", 2)], 29_999)).to.deep.equal([]);
    expect(leases.among([lease("other/1/x", 2)], 30_000)).to.have.length(1);
  });

  it("are not those that could not be renewed while the ledger was away", () => {
    const leases = watchLeases(own, 15_000);
    const one = lease("other/1/x");
    leases.among([one], 0);
    leases.reset();
    expect(leases.among([one], 20_000)).to.deep.equal([]);
    expect(leases.among([one], 35_000)).to.deep.equal([one]);
  });
});
