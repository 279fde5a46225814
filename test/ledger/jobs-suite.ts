// Counts of the jobs of a client, on any database of the ledger.
import { expect } from "chai";
import type { Database } from "../../src/ledger/database.ts";
import { TooManyJobs } from "../../src/ledger/beginnings.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { ledgerHouse } from "./house.ts";
import { rowAt } from "./suite.ts";

/** Describe the jobs of clients on databases that `open` opens, as `ledgerSuite` has them. */
export function jobsSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);

  it("counts a client's jobs that are not over", async () => {
    const one = await house.ledger();
    const [first] = await Promise.all(
      ["queued", "in_progress", "completed"].map(async (status) => {
        const row = rowAt(house.now, { status: status as RequestRow["status"], job: true });
        await one.add(row);
        return row;
      }),
    );
    await one.add(rowAt(house.now));
    await one.add(rowAt(house.now, { job: true, client: "bob" }));
    expect(await one.jobsOf("ann")).to.equal(2);
    await one.update(first!.id, { status: "cancelled" });
    expect(await one.jobsOf("ann")).to.equal(1);
  });

  it("begins no job more than its client may have, whether it has a name or not", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const jobs = Array.from({ length: 12 }, (_, index) => rowAt(house.now, { status: "queued", job: true, idempotency: `job ${index}` }));
    const began = (work: Promise<unknown>) =>
      work.then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof TooManyJobs)) throw error;
          return false;
        },
      );
    const begin = (job: RequestRow, index: number) => {
      const one = both[index % 2]!;
      return began(
        index < 6 ? one.add(job, { mostJobs: 3 }) : one.claim({ row: { ...job, idempotency: job.id }, joins: true, since: 0, mostJobs: 3 }),
      );
    };
    const results: boolean[] = [];
    for (const [index, job] of jobs.entries()) results.push(await begin(job, index));
    expect(results).to.deep.equal(jobs.map((_, index) => index < 3));
    expect(await both[0]!.jobsOf("ann")).to.equal(3);
    const again = { ...rowAt(house.now), idempotency: "job 0" };
    expect((await both[1]!.claim({ row: again, joins: true, since: 0, mostJobs: 3 })).id).to.equal(jobs[0]!.id);
    expect(await began(both[0]!.add(rowAt(house.now, { job: true, client: "bob" }), { mostJobs: 3 }))).to.equal(true);
    await both[0]!.update(jobs[0]!.id, { status: "cancelled", endedAt: house.now });
    expect([await begin(jobs[9]!, 9), await begin(jobs[4]!, 4)]).to.deep.equal([true, false]);
  });
}
