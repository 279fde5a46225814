// The suite of clients' keys, for every database of the ledger.
import { expect } from "chai";
import type { StoredKey } from "../../src/ledger/client-keys.ts";
import type { Database } from "../../src/ledger/database.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { ledgerHouse } from "./house.ts";

/** A key as it is added at a time. */
export function keyAt(createdAt: number, more: Partial<StoredKey> = {}): Omit<StoredKey, "version"> {
  return { name: "shop", hash: "aa", begins: "pk-aaaaaa", options: { models: ["it's ?1"] }, createdAt, changedAt: createdAt, ...more };
}

/** Describe a ledger's keys on databases that `open` opens; all of one test are the same database, and each test has a fresh one. */
export function keysSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);
  const write = (ledger: Ledger, key: Omit<StoredKey, "version">, before: number, action: "added" | "changed" | "rotated" | "revoked") =>
    ledger.keys.write(key, before, { action, by: "a test" });

  it("keeps a key with all that it is given, for others too", async () => {
    const [one, other] = [await house.ledger(), await house.ledger()];
    expect(await one.keys.since(0)).to.deep.equal([]);
    const added = await write(one, keyAt(house.now), 0, "added");
    expect(added).to.deep.equal({ ...keyAt(house.now), version: 1 });
    expect(await other.keys.since(0)).to.deep.equal([added]);
    const full = keyAt(house.now, { hash: "bb", previousHash: "aa", previousUntil: house.now + 5, revokedAt: house.now + 9, options: {} });
    expect(await write(other, full, 1, "rotated")).to.deep.equal({ ...full, version: 2 });
    expect(await one.keys.since(1)).to.deep.equal([{ ...full, version: 2 }]);
    expect(await one.keys.since(2)).to.deep.equal([]);
    // A value that it has no longer is taken away.
    await write(one, keyAt(house.now), 2, "changed");
    expect(await one.keys.since(2)).to.deep.equal([{ ...keyAt(house.now), version: 3 }]);
  });

  it("writes nothing over what another wrote meanwhile", async () => {
    const one = await house.ledger();
    await write(one, keyAt(house.now), 0, "added");
    expect(await write(one, keyAt(house.now, { hash: "bb" }), 0, "added")).to.equal(undefined);
    expect(await write(one, keyAt(house.now, { hash: "bb" }), 7, "changed")).to.equal(undefined);
    expect((await one.keys.since(0)).map(({ hash }) => hash)).to.deep.equal(["aa"]);
    expect(await one.keys.changes("shop", 9)).to.have.length(1);
  });

  it("has every change in its order, when many write at once", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const seen: StoredKey[] = [];
    const names = Array.from({ length: 30 }, (_, index) => `shop-${index}`);
    // A version that is seen after a later one would never be read.
    const reading = (async () => {
      while (seen.length < names.length) seen.push(...(await both[0]!.keys.since(seen.at(-1)?.version ?? 0)));
    })();
    const rows = await Promise.all(names.map((name, index) => write(both[index % 2]!, keyAt(house.now, { name }), 0, "added")));
    await reading;
    expect(new Set(rows.map((row) => row?.version)).size).to.equal(30);
    expect(seen.map(({ name }) => name)).to.have.members(names);
    // Of several that add the same name one does.
    const same = await Promise.all(names.map((_, index) => write(both[index % 2]!, keyAt(house.now), 0, "added")));
    expect(same.filter((row) => row !== undefined)).to.have.length(1);
  });

  it("remembers what was done with each name, the newest first", async () => {
    const one = await house.ledger();
    await write(one, keyAt(house.now), 0, "added");
    await write(one, keyAt(house.now, { name: "other" }), 0, "added");
    const options = { concurrency: 3 };
    await write(one, keyAt(house.now, { changedAt: house.now + 1, options }), 1, "changed");
    expect(await one.keys.changes("shop", 9)).to.deep.equal([
      { action: "changed", at: house.now + 1, by: "a test", options },
      { action: "added", at: house.now, by: "a test", options: keyAt(0).options },
    ]);
    expect(await one.keys.changes("shop", 1)).to.have.length(1);
    expect(await one.keys.changes("nobody", 9)).to.deep.equal([]);
  });

  it("keeps what clients choose, each for itself", async () => {
    const [one, other] = [await house.ledger(), await house.ledger()];
    expect(await one.choices.of("shop", "sketch")).to.deep.equal({});
    await one.choices.keep("shop", "sketch", { mood: "it's ?1", model: "a" });
    await other.choices.keep("shop", "sketch", { model: { id: "b" } });
    await other.choices.keep("blog", "sketch", { model: "c" });
    await other.choices.keep("shop", "etch", { model: "d" });
    expect(await one.choices.of("shop", "sketch")).to.deep.equal({ mood: "it's ?1", model: { id: "b" } });
  });
}
