// What every database of the ledger must do, whichever it is.
import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { expect } from "chai";
import type { Database } from "../../src/ledger/database.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { longestWay } from "../../src/ledger/statements.ts";
import { ledgerHouse } from "./house.ts";

const minute = 60_000;

/** A request as it is begun at a time. */
export function rowAt(createdAt: number, more: Partial<RequestRow> = {}): RequestRow {
  const id = randomUUID();
  return {
    id,
    client: "ann",
    model: "m",
    operation: "generate",
    status: "in_progress",
    n: 1,
    createdAt,
    expiresAt: createdAt + 60 * minute,
    ...more,
  };
}

/** Describe a ledger on databases that `open` opens; all of one test are the same database, and each test has a fresh one. */
export function ledgerSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);
  const keyed = (idempotency: string, more: Partial<RequestRow> = {}) => ({ ...rowAt(house.now, more), idempotency });

  it("gives back a row with everything in it", async () => {
    const one = await house.ledger();
    const row = rowAt(house.now, {
      phase: "accepted",
      startedAt: house.now + 1,
      endedAt: house.now + 2,
      channel: "c",
      attempts: "a timeout, c ok",
      made: 2,
      pictures: [{ stored: "x", mediaType: "image/png", width: 3, height: 4, bytes: 5, sha256: "ff" }],
      usage: { total_tokens: 7, details: [1, { a: null }] },
      costNanos: 40_000_000_123,
      costFrom: "provider",
      changes: [{ field: "size", from: "1x1", to: "2x2" }],
      error: { error: { message: 'it\'s "so" ?1 $1', type: "server_error", param: null, code: "x" } },
      httpStatus: 504,
      idempotency: "k",
      fingerprint: "f",
      task: { channel: "c", model: "m", key: "hash", documents: ["é\u2028"] },
      input: "document",
      answer: "document",
      job: true,
      webhook: "orders",
      progress: 45,
      wantedUntil: house.now + 4,
      owner: "o",
      leaseUntil: house.now + 3,
      traceId: "0af7651916cd43dd8448eb211c80319c",
    });
    await one.add(row);
    expect(await one.find(row.id)).to.deep.equal(row);
    expect(await one.find(row.id, "ann")).to.deep.equal(row);
    expect(await one.find(row.id, "bob")).to.equal(undefined);
    expect(await one.find("?1")).to.equal(undefined);
  });

  it("keeps what it resolved for others that open it, and for later", async () => {
    const row = rowAt(house.now);
    await (await house.ledger()).add(row);
    expect(await (await house.ledger()).find(row.id)).to.deep.equal(row);
  });

  it("lets one of many that claim the same name serve it", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const rows = Array.from({ length: 40 }, () => keyed("key"));
    const serving = await Promise.all(rows.map((row, index) => both[index % 2]!.claim({ row, joins: true, since: 0 })));
    expect(new Set(serving.map(({ id }) => id)).size).to.equal(1);
    expect(rows.map(({ id }) => id)).to.include(serving[0]?.id);
  });

  it("keeps the names of clients apart", async () => {
    const one = await house.ledger();
    const [ann, bob] = [keyed("key"), keyed("key", { client: "bob" })];
    expect((await one.claim({ row: ann, joins: true, since: 0 })).id).to.equal(ann.id);
    expect((await one.claim({ row: bob, joins: true, since: 0 })).id).to.equal(bob.id);
  });

  it("forgets a name that is too old, was released, or whose row is over", async () => {
    const one = await house.ledger();
    const claim = async (row: RequestRow & { idempotency: string }, since = 0) => (await one.claim({ row, joins: true, since })).id;
    const first = keyed("key");
    await claim(first);
    house.now += minute;
    const second = keyed("key");
    expect(await claim(second)).to.equal(first.id);
    // One that is under way is never too old: it takes as long as it takes.
    expect(await claim(second, house.now - minute / 2)).to.equal(first.id);
    await one.update(first.id, { status: "completed", endedAt: house.now });
    expect(await claim(second, house.now - minute / 2)).to.equal(first.id);
    house.now += minute;
    expect(await claim(second, house.now - minute / 2)).to.equal(second.id);
    await one.update(second.id, { idempotency: undefined });
    const third = keyed("key");
    expect(await claim(third)).to.equal(third.id);
    await one.update(third.id, { status: "unknown", endedAt: house.now });
    house.now += 61 * minute;
    expect([await one.named("ann", "key", 0), await one.named("bob", "key", 0)]).to.deep.equal([undefined, undefined]);
    const fourth = keyed("key");
    expect(await claim(fourth)).to.equal(fourth.id);
    expect((await one.named("ann", "key", house.now))?.id).to.equal(fourth.id);
    await one.update(fourth.id, { status: "completed", endedAt: house.now });
    expect(await one.named("ann", "key", house.now + 1)).to.equal(undefined);
  });

  it("gives a name to a new request that takes the place of the one before", async () => {
    const one = await house.ledger();
    const [first, second, retry] = [keyed("retries"), keyed("retries"), keyed("retries")];
    expect((await one.claim({ row: first, joins: false, since: 0 })).id).to.equal(first.id);
    expect((await one.claim({ row: second, joins: false, since: 0 })).id).to.equal(second.id);
    expect((await one.claim({ row: retry, joins: true, since: 0 })).id).to.equal(second.id);
    expect((await one.find(first.id))?.idempotency).to.equal(undefined);
  });

  it("takes a first attempt that its retry has overtaken for what that began, once, and only for some time", async () => {
    const one = await house.ledger();
    const begun = { ...keyed("overtaken"), firstUntil: house.now + 1000 };
    const claim = async (joins: boolean) => (await one.claim({ row: keyed("overtaken"), joins, since: 0 })).id;
    expect((await one.claim({ row: begun, joins: true, since: 0 })).id).to.equal(begun.id);
    expect([await claim(true), await claim(false)]).to.deep.equal([begun.id, begun.id]);
    expect(await claim(false)).not.to.equal(begun.id);
    const late = { ...keyed("late"), firstUntil: house.now };
    await one.claim({ row: late, joins: true, since: 0 });
    expect((await one.claim({ row: keyed("late"), joins: false, since: 0 })).id).not.to.equal(late.id);
  });

  it("serves each of many new requests of one name that come at the same moment", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const rows = Array.from({ length: 20 }, () => keyed("retries"));
    const serving = await Promise.all(rows.map((row, index) => both[index % 2]!.claim({ row, joins: false, since: 0 })));
    expect(serving.map(({ id }) => id)).to.deep.equal(rows.map(({ id }) => id));
    const retry = await both[0]!.claim({ row: keyed("retries"), joins: true, since: 0 });
    expect(rows.map(({ id }) => id)).to.include(retry.id);
  });

  it("changes a row only from the states it should be in", async () => {
    const one = await house.ledger();
    const row = rowAt(house.now);
    await one.add(row);
    expect(await one.update(row.id, { status: "completed", endedAt: house.now, made: 1 }, ["queued", "in_progress"])).to.equal(true);
    expect(await one.update(row.id, { status: "cancelled" }, ["queued", "in_progress"])).to.equal(false);
    expect(await one.update("nobody's", { made: 1 })).to.equal(false);
    expect(await one.find(row.id)).to.deep.equal({ ...row, status: "completed", endedAt: house.now, made: 1 });
  });

  it("changes a row for a process only while it serves it, but for pictures that were made", async () => {
    const one = await house.ledger();
    const row = rowAt(house.now, { owner: "stopped", leaseUntil: house.now });
    await one.add(row);
    await one.takeOver({ id: row.id, owner: "stopped", until: house.now }, { owner: "next", until: house.now + minute });
    expect(await one.update(row.id, { phase: "sending" }, ["in_progress"], "stopped")).to.equal(false);
    one.record({ ...row, status: "failed", endedAt: house.now });
    await one.settled();
    expect((await one.find(row.id))?.status).to.equal("in_progress");
    expect(await one.update(row.id, { status: "unknown", endedAt: house.now }, ["in_progress"], "next")).to.equal(true);
    one.record({ ...row, status: "completed", endedAt: house.now });
    await one.settled();
    expect((await one.find(row.id))?.status).to.equal("completed");
  });

  it("leaves a request that nobody could take without its lease with the process that it had", async () => {
    const one = await house.ledger();
    const [order, job] = [
      rowAt(house.now, { owner: "o", leaseUntil: house.now, phase: "sending" }),
      rowAt(house.now, { owner: "o", leaseUntil: house.now, input: "x" }),
    ];
    for (const row of [order, job]) await one.add(row);
    await one.release("o");
    expect((await one.take({ owner: "next", until: house.now, limit: 9 })).map(({ id }) => id)).to.deep.equal([job.id]);
    expect((await one.leasesOfOthers("next")).map(({ id }) => id)).to.deep.equal([order.id]);
  });

  it("lists the newest first, in pages, and by what is asked for", async () => {
    const one = await house.ledger();
    const rows = [0, 1, 1, 2, 3].map((age, index) =>
      rowAt(house.now - age * minute, {
        id: `r${index}`,
        channel: index % 2 ? "odd" : "even",
        client: index === 3 ? "bob" : "ann",
        traceId: index > 2 ? "t" : undefined,
      }),
    );
    for (const row of rows) await one.add(row);
    const page = await one.list({ limit: 2 });
    expect(page.map(({ id }) => id)).to.deep.equal(["r0", "r2"]);
    expect((await one.list({ limit: 9, after: page[1] })).map(({ id }) => id)).to.deep.equal(["r1", "r3", "r4"]);
    expect((await one.list({ limit: 9, client: "bob" })).map(({ id }) => id)).to.deep.equal(["r3"]);
    expect((await one.list({ limit: 9, channel: "odd", since: house.now - minute })).map(({ id }) => id)).to.deep.equal(["r1"]);
    expect((await one.list({ limit: 9, until: house.now - minute })).map(({ id }) => id)).to.deep.equal(["r3", "r4"]);
    expect((await one.list({ limit: 9, traceId: "t" })).map(({ id }) => id)).to.deep.equal(["r3", "r4"]);
    expect(await one.list({ limit: 9, statuses: ["failed"] })).to.deep.equal([]);
    expect(await one.list({ limit: 9, jobs: true })).to.deep.equal([]);
  });

  it("gives each request that waits to one process, the oldest first", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const jobs = Array.from({ length: 20 }, (_, index) => rowAt(house.now + index, { status: "queued", input: "x" }));
    for (const job of jobs) await both[0]!.add(job);
    await both[0]!.add(rowAt(house.now - 5)); // Only its client can have it served.
    const until = house.now + minute;
    const taken = await Promise.all([0, 1, 0, 1].map((which) => both[which]!.take({ owner: `o${which}`, until, limit: 5 })));
    expect(new Set(taken.flat().map(({ id }) => id)).size).to.equal(20);
    expect(taken[0]?.map(({ createdAt }) => createdAt)).to.deep.equal(taken[0]?.map(({ createdAt }) => createdAt).sort((a, b) => a - b));
    expect(await both[0]!.take({ owner: "o2", until, limit: 99 })).to.deep.equal([]);
    await both[0]!.release("o0");
    expect((await both[1]!.take({ owner: "o1", until: house.now + minute, limit: 99 })).length).to.equal(10);
  });

  it("gives a request of a process that has gone to one other, and to none once its lease is renewed", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const rows = Array.from({ length: 6 }, () => rowAt(house.now, { owner: "o0", leaseUntil: house.now + minute }));
    for (const row of rows) await both[0]!.add(row);
    expect(await both[1]!.leasesOfOthers("o0")).to.deep.equal([]);
    const seen = await both[1]!.leasesOfOthers("n1");
    expect(seen.map(({ owner, until }) => ({ owner, until }))).to.deep.equal(rows.map(() => ({ owner: "o0", until: house.now + minute })));
    const lease = (owner: string) => ({ owner, until: house.now + minute });
    const taken = await Promise.all(
      seen.slice(0, 3).flatMap((one) => [0, 1].map((which) => both[which]!.takeOver(one, lease(`n${which}`)))),
    );
    expect(taken.filter((row) => row !== undefined).length).to.equal(3);
    expect((await both[0]!.renew({ owner: "o0", until: house.now + 2 * minute })).size).to.equal(3);
    expect(await both[1]!.takeOver(seen[5]!, lease("n1"))).to.equal(undefined);
    expect((await both[1]!.renew({ owner: "nobody", until: house.now + minute })).size).to.equal(0);
  });

  it("deletes rows whose time is over, in small steps, and shows none of them", async () => {
    const one = await house.ledger();
    const rows = Array.from({ length: 5 }, (_, index) => rowAt(house.now, { expiresAt: house.now + index * minute, endedAt: house.now }));
    for (const row of rows) await one.add(row);
    house.now += 2 * minute;
    expect(await one.find(rows[0]!.id)).to.equal(undefined);
    expect((await one.list({ limit: 9 })).length).to.equal(2);
    expect([await one.prune(2), await one.prune(2), await one.prune(2)]).to.deep.equal([2, 1, 0]);
    expect(await one.find(rows[4]!.id)).to.deep.equal(rows[4]);
  });

  it("keeps the row and the name of a request that is under way, until nobody can be at it any more", async () => {
    const one = await house.ledger();
    const row = keyed("long", { expiresAt: house.now + minute });
    await one.claim({ row, joins: true, since: 0 });
    house.now += 2 * minute;
    expect((await one.claim({ row: keyed("long"), joins: true, since: house.now })).id).to.equal(row.id);
    expect(await one.prune(9)).to.equal(0);
    expect(await one.find(row.id)).to.deep.equal(row);
    house.now += longestWay;
    expect(await one.prune(9)).to.equal(1);
  });

  it("writes what nobody waits for, the last state of each row", async () => {
    const one = await house.ledger();
    const rows = Array.from({ length: 450 }, () => rowAt(house.now));
    for (const row of rows) one.record(row);
    const ended = rows.map((row): RequestRow => ({ ...row, status: "completed", endedAt: house.now + 1 }));
    for (const row of ended) one.record(row);
    expect(await one.find(rows[0]!.id)).to.deep.equal(ended[0]);
    await one.settled();
    const other = await house.ledger();
    expect(await other.find(rows[449]!.id)).to.deep.equal(ended[449]);
    // An older state that comes late changes nothing.
    one.record(rows[0]!);
    await one.settled();
    expect(await other.find(rows[0]!.id)).to.deep.equal(ended[0]);
  });

  it("writes what is left when it is closed", async () => {
    const one = await house.ledger();
    const row = rowAt(house.now);
    one.record(row);
    await one.close();
    expect(await (await house.ledger()).find(row.id)).to.deep.equal(row);
    expect((await readdir(house.folder)).filter((name) => name.includes("waiting"))).to.deep.equal([]);
  });
}
