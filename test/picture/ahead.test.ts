// Reading ahead of somebody slow, and what is held meanwhile.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { readAhead } from "../../src/picture/ahead.ts";
import { createSpool, type Spool, type SpoolScope } from "../../src/picture/spool.ts";

const bytes = Buffer.alloc(900_001, "what a picture is made of");

describe("reading ahead of a slow reader", () => {
  let folder: string;
  let spool: Spool;
  let scope: SpoolScope;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-ahead-"));
    spool = createSpool({ folder });
    scope = spool.scope();
  });
  afterEach(async () => {
    await scope.close();
    await spool.close();
    expect(await readdir(folder)).to.deep.equal([]);
    await rm(folder, { recursive: true });
  });

  it("gives every byte once and in order, however writing and reading take turns", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 300_000 }), fc.integer({ min: 0, max: 8 })), { maxLength: 12 }),
        async (steps) => {
          const backlog = scope.backlog();
          const got: Buffer[] = [];
          const sizes = steps.map(([size]) => size);
          const write = async () => {
            for (const [index, size] of sizes.entries()) await backlog.put(Buffer.alloc(size, index));
            await backlog.end();
          };
          const written = write();
          for (const [, turns] of steps) {
            const piece = await backlog.take();
            if (piece) got.push(piece);
            for (let turn = 0; turn < turns; turn += 1) await setImmediate();
          }
          for (let piece = await backlog.take(); piece; piece = await backlog.take()) got.push(piece);
          await written;
          await backlog.close();
          expect(Buffer.concat(got).equals(Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index))))).to.equal(true);
        },
      ),
      { numRuns: 100 },
    ));

  /** A source that tells how far it has been read, and that it was let go. */
  function source(end?: Error): { chunks: AsyncGenerator<Buffer>; read: () => number; left: Promise<void> } {
    let read = 0;
    let leave: () => void;
    const left = new Promise<void>((resolve) => (leave = resolve));
    async function* chunks(): AsyncGenerator<Buffer> {
      try {
        for (let at = 0; at < bytes.length; at += 60_000) {
          await setImmediate();
          yield bytes.subarray(at, at + 60_000);
          read = at;
        }
        if (end) throw end;
      } finally {
        leave();
      }
    }
    return { chunks: chunks(), read: () => read, left };
  }

  it("reads its source to the end while the reader is away, and not before", async () => {
    const { chunks, read, left } = source();
    const ahead = readAhead(chunks, scope);
    const got: Buffer[] = [(await ahead.next()).value as Buffer];
    await setTimeout(20);
    expect(read()).to.equal(0);
    await left;
    for await (const chunk of ahead) got.push(chunk);
    expect(Buffer.concat(got).equals(bytes)).to.equal(true);
  });

  it("tells the reader what its source failed with", async () => {
    const { chunks, left } = source(new Error("the provider's answer was cut"));
    const ahead = readAhead(chunks, scope);
    await ahead.next();
    await left;
    await setImmediate();
    expect(await ahead.next().catch((error: unknown) => error))
      .to.be.an("error")
      .with.property("message", "the provider's answer was cut");
  });

  for (const when of ["before", "while"])
    it(`lets its source go when the reader leaves ${when} it is read ahead`, async () => {
      const { chunks, read, left } = source();
      const ahead = readAhead(chunks, scope);
      await ahead.next();
      while (when === "while" && read() === 0) await setTimeout(5);
      await ahead.return(undefined);
      await left;
    });
});
