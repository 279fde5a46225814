// The suite of every picture store against a real service that speaks S3, whose address and keys run.sh gives.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { readS3Address } from "../../src/net/s3/address.ts";
import { createS3Client } from "../../src/net/s3/client.ts";
import { openS3Store } from "../../src/net/s3/store.ts";
import { sweepObjects } from "../../src/net/s3/sweep.ts";
import { createSpool, type Spool } from "../../src/picture/spool.ts";
import { picture, source, storeSuite } from "../picture/store-suite.ts";
import { makeBucket } from "./bucket.ts";

const { PICTOR_STORE = "", ...env } = process.env;

describe(`a picture store in ${PICTOR_STORE}`, () => {
  let folder: string;
  let spool: Spool;
  const silent = { error: () => undefined, info: () => undefined, warn: () => undefined } as never;
  const freshAddress = () => {
    const address = readS3Address(PICTOR_STORE, env);
    return { ...address, prefix: `${address.prefix}${randomBytes(6).toString("hex")}/` };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-s3-"));
    spool = createSpool({ folder, largest: 50_000 });
    await makeBucket();
  });
  after(async () => {
    await spool.close();
    await rm(folder, { recursive: true });
  });

  storeSuite(
    async (now) => {
      const address = freshAddress();
      // Its clock signs too, and the store has one of its own.
      const store = await openS3Store({ address, life: 60, spool, log: silent, now });
      const client = createS3Client(address);
      const count = async () => {
        const { text } = await client.text({ method: "GET", query: { "list-type": "2", prefix: address.prefix } });
        return [...text.matchAll(/<Key>/g)].length - 1;
      };
      return { store, count };
    },
    () => Promise.resolve(),
  );

  it("keeps a large picture", async () => {
    const store = await openS3Store({ address: freshAddress(), life: 60, spool, log: silent });
    const chunk = Buffer.alloc(1024 * 1024, picture);
    const saved = await store.save(source(...Array.from({ length: 64 }, () => chunk)));
    let bytes = 0;
    for await (const piece of await store.read(saved)) bytes += (piece as Buffer).length;
    expect(bytes).to.equal(64 * chunk.length);
    await store.close();
  });

  it("sweeps more than a page", async () => {
    const address = freshAddress();
    const store = await openS3Store({ address, life: 60, spool, log: silent });
    for (let index = 0; index < 25; index += 1) await store.save(source(Buffer.from("x")), 1);
    expect(await sweepObjects(createS3Client(address), address.prefix, Date.now() + 3000, 10)).to.equal(25);
    await store.close();
  });

  it("serves a link that is signed, and no other", async () => {
    const store = await openS3Store({ address: { ...freshAddress(), redirect: true }, life: 60, spool, log: silent });
    const saved = await store.save(source(picture));
    const link = store.link!(saved)!;
    const answer = await fetch(link);
    expect([answer.status, answer.headers.get("content-type")]).to.deep.equal([200, "image/png"]);
    expect((await buffer(answer.body!)).equals(picture)).to.equal(true);
    expect((await fetch(link.replace(/X-Amz-Signature=./, "X-Amz-Signature=x"))).status).to.equal(403);
    await store.close();
  });

  it("does not open with a wrong secret, key or bucket, and says what to set", async () => {
    const failed = async (changes: object) =>
      (
        (await openS3Store({ address: { ...freshAddress(), ...changes }, life: 60, spool, log: silent }).catch(
          (error: unknown) => error,
        )) as Error
      ).message;
    const { credentials } = readS3Address(PICTOR_STORE, env);
    expect(await failed({ credentials: { ...credentials, secret: "wrong" } })).to.match(/AWS_SECRET_ACCESS_KEY is not the secret/);
    expect(await failed({ credentials: { ...credentials, id: "wrong" } })).to.match(/AWS_ACCESS_KEY_ID/);
    expect(await failed({ bucket: "nowhere-at-all" })).to.match(/there is no bucket nowhere-at-all/);
  });
});
