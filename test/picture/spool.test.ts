import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import { base64Length, chunksOf, headOf } from "../../src/picture/convert.ts";
import { TooLarge, type KeptData } from "../../src/picture/keep.ts";
import { createSpool, memoryShare, type Spool, type SpoolScope } from "../../src/picture/spool.ts";

const kilobyte = 1024;
const bytes = Buffer.alloc(1000 * kilobyte, "a picture, or what is taken for one");
const never = new AbortController().signal;

async function* source(data: Buffer, size = 10_000, end?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield Promise.resolve(data.subarray(at, at + size));
  if (end) throw end;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it worked"),
    (error: unknown) => error,
  );
}

describe("picture spool", () => {
  let folder: string;
  let spool: Spool;
  let scope: SpoolScope;
  const files = () => readdir(folder).catch(() => []);
  const make = (options: { memory?: number; largest?: number } = {}) => {
    spool = createSpool({ folder, ...options });
    scope = spool.scope();
  };

  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "pictor-spool-")), "tmp");
  });

  afterEach(async () => {
    await scope.close();
    await spool.close();
    expect(await files()).to.deep.equal([]);
    await rm(join(folder, ".."), { recursive: true });
  });

  const isWhole = async (kept: KeptData, expected: Buffer) => {
    expect((await buffer(chunksOf(kept))).equals(expected)).to.equal(true);
    expect(
      headOf(kept)
        .subarray(0, 64 * kilobyte)
        .equals(expected.subarray(0, 64 * kilobyte)),
    ).to.equal(true);
    expect(base64Length(kept)).to.equal(expected.toString("base64").length);
  };

  it("keeps small things in memory and large ones in a file for the owner's eyes only", async () => {
    make({ largest: 200 * kilobyte });
    const small = await scope.take(source(bytes.subarray(0, 200 * kilobyte)), Infinity);
    const large = await scope.take(source(bytes), Infinity);
    expect([small.kind, large.kind]).to.deep.equal(["bytes", "file"]);
    await isWhole(small, bytes.subarray(0, 200 * kilobyte));
    await isWhole(large, bytes);
    await isWhole(large, bytes);
    expect((await stat((large as { path: string }).path)).mode & 0o777).to.equal(0o600);
    expect((await stat(folder)).mode & 0o777).to.equal(0o700);
  });

  it("uses files once the process's memory is used up, and memory again when a request has ended", async () => {
    make({ memory: 1500 * kilobyte });
    const other = spool.scope();
    expect((await other.take(source(bytes), Infinity)).kind).to.equal("bytes");
    const spilled = await scope.take(source(bytes), Infinity);
    expect(spilled.kind).to.equal("file");
    await isWhole(spilled, bytes);
    // What is smaller than a head is not worth a file.
    expect((await scope.take(source(bytes.subarray(0, 1000)), Infinity)).kind).to.equal("bytes");
    await other.close();
    expect((await scope.take(source(bytes), Infinity)).kind).to.equal("bytes");
  });

  it("keeps nothing of what is too large, cut, or comes when the request is over", async () => {
    make({ largest: 100 * kilobyte });
    expect(await failure(scope.take(source(bytes), bytes.length - 1))).to.be.instanceOf(TooLarge);
    expect(await failure(scope.take(source(bytes, 10_000, new Error("cut")), Infinity))).to.have.property("message", "cut");
    expect(await files()).to.deep.equal([]);
    const pending = scope.take(source(bytes), Infinity);
    await setImmediate();
    await scope.close();
    await pending.catch(() => undefined);
    expect(await files()).to.deep.equal([]);
    expect(await failure(scope.take(source(bytes), Infinity))).to.have.property("message", "the request is over");
  });

  describe("where the disk does not take it", () => {
    beforeEach(() => writeFile(folder, "not a folder"));
    afterEach(() => rm(folder, { force: true }));

    it("holds what may be paid for in memory, however little of that there is", async () => {
      make({ memory: 300 * kilobyte, largest: 100 * kilobyte });
      await isWhole(await scope.take(source(bytes), Infinity), bytes);
      await isWhole(await scope.take(source(bytes), Infinity), bytes);
    });

    it("takes inputs into memory as long as there is room, and refuses the rest with a 507 that asks to come back", async () => {
      make({ memory: 1500 * kilobyte, largest: 100 * kilobyte });
      await isWhole(await scope.inputs.take(source(bytes), Infinity), bytes);
      expect(spool.hasRoom(bytes.length)).to.equal(false);
      const refusal = await failure(scope.inputs.take(source(bytes), Infinity));
      expect(refusal).to.include({ code: "insufficient_storage", status: 507, retryAfter: 30, retry: true });
      await scope.close();
      expect(spool.hasRoom(bytes.length)).to.equal(true);
    });
  });

  it("removes what was left behind an hour ago", async () => {
    await mkdir(folder);
    for (const name of ["old", "new"]) await writeFile(join(folder, name), "x");
    await utimes(join(folder, "old"), new Date(), new Date(Date.now() - 2 * 60 * 60 * 1000));
    make();
    await spool.close();
    expect(await files()).to.deep.equal(["new"]);
    await rm(join(folder, "new"));
  });

  it("lets requests wait for room in order, and leave the queue", async () => {
    make({ memory: 100 });
    const order: number[] = [];
    const gone = new AbortController();
    const scopes = Array.from({ length: 5 }, () => spool.scope());
    // The first gets more than there is, as nobody else has any; and what it asks for later it gets at once.
    await scope.room(150, never);
    await scope.room(10, never);
    const waits = scopes.map(async (one, index) => {
      await one.room(40, index === 1 ? gone.signal : never);
      order.push(index);
    });
    const left = failure(waits[1]!);
    gone.abort(new Error("gone"));
    expect(await left).to.have.property("message", "gone");
    expect(await failure(scopes[1]!.room(1, gone.signal))).to.have.property("message", "gone");
    expect(order).to.deep.equal([]);
    await scope.close();
    await setImmediate();
    expect(order).to.deep.equal([0, 2]);
    for (const one of scopes) await one.close();
    await Promise.allSettled(waits);
    expect(order).to.deep.equal([0, 2, 3, 4]);
    for (const one of scopes) await one.close();
  });

  it("passes over a request that ended in line, and lets those behind it have their turn", async () => {
    make({ memory: 100 });
    await scope.room(100, never);
    const [ended, behind] = [spool.scope(), spool.scope()];
    const turns = Promise.allSettled([ended.room(40, never), behind.room(40, never)]);
    await ended.close();
    await scope.close();
    expect((await turns).map(({ status }) => status)).to.deep.equal(["rejected", "fulfilled"]);
    await behind.close();
  });

  it("has a quarter of the machine's memory, or of the container's", () => {
    make();
    expect(memoryShare()).to.be.within(1024 * kilobyte, 2 ** 50);
  });
});
