// Rows that are written behind, with a database that is slow, away, or comes and goes.
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { Unavailable } from "../../src/ledger/database.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { createWaitingFile } from "../../src/ledger/waiting-file.ts";
import { createWriteBehind, mostInMemory } from "../../src/ledger/write-behind.ts";
import { rowAt } from "./suite.ts";

describe("rows that are written behind", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "pictor-behind-"))));
  afterEach(() => rm(folder, { recursive: true }));

  /** A database that takes so long for each write. */
  function slowly(milliseconds: () => number) {
    const written = new Map<string, RequestRow>();
    const write = async (rows: readonly RequestRow[]) => {
      await delay(milliseconds());
      for (const row of rows) written.set(row.id, row);
    };
    return { written, write };
  }

  it("are written also where one is put just as the write before it ends", async () => {
    const file = createWaitingFile(folder);
    for (let turns = 0; turns < 12; turns += 1) {
      const written: string[] = [];
      const [first, second] = [rowAt(1), rowAt(2)];
      const putLater = async () => {
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        behind.put(second);
      };
      const write = async (rows: readonly RequestRow[]) => {
        if (rows[0]?.id === first.id) void putLater();
        written.push(...rows.map(({ id }) => id));
        await Promise.resolve();
      };
      const behind = createWriteBehind({ write, file, pause: 1 });
      behind.put(first);
      // Longer than the pause, and no row follows that would take it along.
      for (let waited = 0; waited < 200 && written.length < 2; waited += 1) await delay(2);
      expect(written, `${turns} turns later`).to.deep.equal([first.id, second.id]);
      await behind.close();
    }
  });

  it("wait in a file where they come faster than a slow database takes them, and none is lost", async () => {
    let pause = 150;
    const { written, write } = slowly(() => pause);
    const behind = createWriteBehind({ write, file: createWaitingFile(folder), pause: 1 });
    const ids: string[] = [];
    let most = 0;
    for (let round = 0; round < 40; round += 1) {
      const rows = Array.from({ length: 200 }, () => rowAt(round));
      for (const row of rows) behind.put(row);
      ids.push(...rows.map(({ id }) => id));
      await delay(5);
      most = Math.max(most, ids.filter((id) => behind.find(id) !== undefined).length);
    }
    expect(most).to.be.within(mostInMemory / 2, mostInMemory + 600);
    expect(await readdir(folder)).to.not.deep.equal([]);
    pause = 0;
    await behind.close();
    expect(ids.filter((id) => !written.has(id))).to.deep.equal([]);
    expect([behind.lost(), await readdir(folder)]).to.deep.equal([0, []]);
  });

  it("end in their last state, however often they change and wherever they wait", async () => {
    let isAway = false;
    const { written, write } = slowly(() => 2);
    const file = createWaitingFile(folder);
    const unsteady = (rows: readonly RequestRow[]) => (isAway ? Promise.reject(new Unavailable("unplugged")) : write(rows));
    const behind = createWriteBehind({ write: unsteady, file, pause: 1, pauseAway: 3 });
    const rows = Array.from({ length: mostInMemory + 500 }, () => rowAt(0));
    for (let made = 1; made <= 6; made += 1) {
      isAway = made % 2 === 1;
      // The same object each time, as requests have it.
      for (const row of rows) behind.put(Object.assign(row, { made }));
      await delay(20);
    }
    isAway = false;
    await behind.close();
    expect(rows.filter(({ id }) => written.get(id)?.made !== 6).length).to.equal(0);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("of a process that has ended are taken when they are looked for", async () => {
    const { written, write } = slowly(() => 0);
    const behind = createWriteBehind({ write, file: createWaitingFile(folder), pause: 1 });
    await behind.settled();
    await delay(20);
    const row = rowAt(0);
    const left = createWriteBehind({
      write: () => Promise.reject(new Unavailable("unplugged")),
      file: createWaitingFile(folder),
      pause: 1,
    });
    left.put(row);
    await left.close();
    const [name = ""] = await readdir(folder);
    await rename(join(folder, name), join(folder, name.replace(`-${process.pid}-`, "-999999999-")));
    behind.collect();
    await behind.close();
    expect(written.has(row.id)).to.equal(true);
  });
});
