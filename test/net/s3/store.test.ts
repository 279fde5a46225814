import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { S3Address } from "../../../src/net/s3/address.ts";
import { openS3Store } from "../../../src/net/s3/store.ts";
import { createSpool, type Spool } from "../../../src/picture/spool.ts";
import type { PictureStore } from "../../../src/picture/store.ts";
import { keepDocument, readDocument } from "../../../src/ledger/documents.ts";
import { keys, startS3, xmlError, type SmallS3 } from "../../helpers/s3.ts";
import { errorOf, metric, png, reply, startHouse, type House } from "../../http/setup.ts";
import { picture, source, storeSuite } from "../../picture/store-suite.ts";

describe("a picture store in S3", () => {
  let s3: SmallS3;
  let folder: string;
  let spool: Spool;
  let time: () => number;
  let logged: string[];
  const now = () => time();

  beforeEach(async () => {
    time = Date.now;
    logged = [];
    s3 = await startS3(now);
    folder = await mkdtemp(join(tmpdir(), "pictor-s3-"));
    spool = createSpool({ folder, largest: 50_000 });
  });
  afterEach(async () => {
    await s3.close();
    await spool.close();
    await rm(folder, { recursive: true, force: true });
  });

  const addressOf = (changes: Partial<S3Address> = {}): S3Address => ({
    ...{
      bucket: "pictures",
      prefix: "some/where/",
      region: "eu-test-1",
      endpoint: s3.url,
      pathStyle: true,
      redirect: false,
      credentials: keys,
      variables: { id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN" },
    },
    ...changes,
  });
  const note = (_: unknown, text?: string) => void logged.push(text ?? String(_));
  const open = (changes?: Partial<S3Address>) =>
    openS3Store({ address: addressOf(changes), life: 60, spool, log: { error: note, info: note, warn: note } as never, now, wait: 5 });
  const withStore = async (use: (store: PictureStore) => Promise<void>, changes?: Partial<S3Address>) => {
    const store = await open(changes);
    try {
      await use(store);
    } finally {
      await store.close();
    }
  };
  const pictures = () => [...s3.objects.keys()].filter((key) => !key.endsWith("probe"));

  describe("as any store", () => {
    storeSuite(
      async (clock) => {
        time = clock;
        return { store: await open(), count: () => Promise.resolve(pictures().length) };
      },
      () => Promise.resolve(),
    );
  });

  it("lets go of the connection of a picture that nobody reads after all", () =>
    withStore(async (store) => {
      const saved = await store.save(source(picture));
      for (let times = 0; times < 5; times += 1) (await store.read(saved)).destroy();
      // The store itself ends them after some seconds.
      for (let tries = 0; tries < 100 && (await s3.connections()) > 1; tries += 1) await delay(10);
      expect(await s3.connections()).to.be.at.most(1);
    }));

  describe("whose calls fail", () => {
    const failing =
      (times: number, fail: (request: IncomingMessage, response: ServerResponse) => boolean, method?: string) =>
      (request: IncomingMessage, response: ServerResponse): boolean =>
        (method === undefined || request.method === method) && times-- > 0 ? fail(request, response) : false;
    const slowDown = (_: IncomingMessage, response: ServerResponse) => xmlError(response, 503, "SlowDown");
    const cut = (_: IncomingMessage, response: ServerResponse) => Boolean(response.destroy());

    it("tries again where it is slowed down or its connection breaks", () =>
      withStore(async (store) => {
        for (const fail of [slowDown, cut]) {
          s3.trouble = failing(2, fail, "PUT");
          const saved = await store.save(source(picture));
          s3.trouble = failing(2, fail);
          expect(await store.find(saved.id)).to.deep.equal(saved);
          s3.trouble = failing(2, fail);
          expect((await buffer(await store.read(saved))).equals(picture)).to.equal(true);
        }
      }));

    it("is NotStored and StoreAway where that does not help, is logged once, and is well again when the store is", () =>
      withStore(async (store) => {
        const saved = await store.save(source(picture));
        const document = await keepDocument(store, { a: 1 }, 60);
        expect(await readDocument(store, document)).to.deep.equal({ a: 1 });
        s3.trouble = slowDown;
        for (let times = 0; times < 2; times += 1)
          expect(await store.save(source(picture)).catch((error: unknown) => error)).to.include({
            code: "insufficient_storage",
            status: 507,
          });
        for (const work of [store.find(saved.id), store.read(saved), store.data(saved), readDocument(store, document)])
          expect(await work.catch((error: unknown) => error)).to.include({ code: "store_unavailable", status: 503 });
        expect((await store.disk()).writable).to.equal(false);
        s3.trouble = undefined;
        await store.save(source(picture));
        expect((await store.disk()).writable).to.equal(true);
        expect(logged).to.deep.equal([
          "the store of pictures cannot be written; pictures go out without being stored",
          "the store of pictures is back",
        ]);
      }));

    it("opens while the store is away", async () => {
      s3.trouble = slowDown;
      await withStore(async (store) => {
        expect((await store.disk()).writable).to.equal(false);
      });
    });

    it("reads on where a connection was cut, and gives up where it always is", () =>
      withStore(async (store) => {
        const saved = await store.save(source(picture));
        const half = (request: IncomingMessage, response: ServerResponse) => {
          const [, first = "0"] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
          const rest = picture.subarray(Number(first));
          response.writeHead(first === "0" ? 200 : 206, { "content-length": rest.length });
          response.write(rest.subarray(0, 30_000), () => response.destroy());
          return true;
        };
        s3.trouble = failing(2, half, "GET");
        expect((await buffer(await store.read(saved))).equals(picture)).to.equal(true);
        let begun = false;
        s3.trouble = (_, response) => {
          if (begun) return cut(_, response);
          begun = true;
          return half(_, response);
        };
        const broken = await buffer(await store.read(saved)).catch((error: unknown) => error);
        expect(broken).to.include({ code: "store_unavailable" });
      }));

    it("does not pass on a picture whose bytes are others, or a whole one for a range", () =>
      withStore(async (store) => {
        const saved = await store.save(source(picture));
        const [key = ""] = pictures();
        s3.objects.set(key, { ...s3.objects.get(key)!, body: Buffer.alloc(picture.length) });
        expect(await buffer(await store.read(saved)).catch((error: unknown) => error))
          .to.have.nested.property("cause.message")
          .that.includes("SHA-256");
        s3.trouble = (_, response) => Boolean(response.writeHead(200).end(picture));
        expect(await store.read(saved, { start: 1, end: 2 }).catch((error: unknown) => error)).to.include({ code: "store_unavailable" });
      }));

    for (const [code, status, words] of [
      ["RequestTimeTooSkewed", 403, /clock is not right.*set the clock/],
      ["ExpiredToken", 400, /AWS_SESSION_TOKEN has expired.*set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN anew/],
      ["AccessDenied", 403, /it needs s3:PutObject/],
      ["AuthorizationHeaderMalformed", 400, /not in the region eu-test-1; set region=us-west-9/],
      ["TemporaryRedirect", 307, /is elsewhere; set region=us-west-9 and endpoint/],
      ["Odd", 418, /refused a call \(418 Odd\)/],
    ] as const)
      it(`does not open with ${code}, and says what to set`, async () => {
        s3.trouble = (_, response) => xmlError(response, status, code, { "x-amz-bucket-region": "us-west-9" });
        const { message } = (await open().catch((error: unknown) => error)) as Error;
        expect(message).to.match(words);
        expect(message).not.to.include(keys.secret);
      });

    it("does not open with a wrong secret, key, bucket or clock", async () => {
      const failed = async (changes: Partial<S3Address>) => ((await open(changes).catch((error: unknown) => error)) as Error).message;
      expect(await failed({ credentials: { ...keys, secret: "other" } })).to.match(/AWS_SECRET_ACCESS_KEY is not the secret/);
      expect(await failed({ credentials: { ...keys, id: "other" } })).to.match(/does not know AWS_ACCESS_KEY_ID/);
      const variables = { id: "PICTOR_STORE_KEY_ID", secret: "PICTOR_STORE_SECRET" };
      expect(await failed({ variables, credentials: { ...keys, secret: "other" } })).to.include(
        "PICTOR_STORE_SECRET is not the secret of PICTOR_STORE_KEY_ID",
      );
      expect(await failed({ bucket: "nowhere" })).to.match(/there is no bucket nowhere/);
      const right = Date.now;
      let asked = 0;
      // The store asks second.
      time = () => right() + (asked++ === 0 ? 3_600_000 : 0);
      expect(await failed({})).to.match(/clock is not right/);
    });
  });

  it("sweeps page by page, leaves what is not its own, and stops at what lives", () =>
    withStore(async (store) => {
      s3.page = 2;
      for (let index = 0; index < 5; index += 1) await store.save(source(picture), 10);
      const living = await store.save(source(picture), 50);
      s3.objects.set("some/where/00-foreign", { body: picture, headers: {} });
      s3.objects.set("elsewhere", { body: picture, headers: {} });
      const began = Date.now();
      time = () => began + 12_000;
      expect(await store.sweep()).to.equal(5);
      expect(pictures().sort()).to.deep.equal(["elsewhere", "some/where/00-foreign", `some/where/${living.id}`]);
      expect(await store.sweep()).to.equal(0);
      s3.trouble = (request, response) =>
        request.method === "POST" &&
        Boolean(response.end("<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"));
      time = () => began + 61_000;
      expect(await store.sweep().catch((error: unknown) => error))
        .to.have.property("message")
        .that.includes("s3:DeleteObject");
    }));

  describe("behind a gateway", () => {
    let house: House;
    let store: PictureStore;
    const start = async (changes?: Partial<S3Address>) => {
      store = await open(changes);
      house = await startHouse((_, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] }), {
        store,
        spool,
      });
    };
    afterEach(async () => {
      await house.close();
      await store.close();
    });

    it("serves what it stored, with ranges", async () => {
      await start();
      const response = await house.generate({ model: "demo", prompt: "x", response_format: "url" });
      const { data } = (await response.json()) as { data: [{ url: string }] };
      const whole = await fetch(data[0].url);
      expect(whole.headers.get("content-type")).to.equal("image/png");
      expect(Buffer.from(await whole.arrayBuffer()).equals(png)).to.equal(true);
      const part = await fetch(data[0].url, { headers: { range: "bytes=-5" } });
      expect([part.status, Buffer.from(await part.arrayBuffer())]).to.deep.equal([206, png.subarray(-5)]);
    });

    it("reads nothing of a picture for a client that has it", async () => {
      await start();
      const { id, etag } = await store.save(source(picture));
      s3.calls.length = 0;
      // Without this fetch asks past every cache.
      const headers = { "if-none-match": etag, "cache-control": "max-age=0" };
      const response = await fetch(`${house.url}/images/${id}`, { headers: { ...headers, range: "bytes=999999-" } });
      expect([response.status, response.headers.get("etag"), s3.calls]).to.deep.equal([304, etag, [`HEAD some/where/${id}`]]);
    });

    it("hands a picture out as base64 while the store is away, and says so in /readyz and the metrics", async () => {
      await start();
      s3.trouble = (_, response) => xmlError(response, 503, "SlowDown");
      const response = await house.generate({ model: "demo", prompt: "x", response_format: "url" });
      expect(((await response.json()) as { data: object[] }).data).to.deep.equal([{ b64_json: png.toString("base64") }]);
      const { store: seen } = (await (await fetch(`${house.url}/readyz`)).json()) as { store: { writable: boolean } };
      expect(seen.writable).to.equal(false);
      expect(await metric(house.url, "pictor_store_writable")).to.equal(0);
      await errorOf(await fetch(`${house.url}/images/${"0".repeat(32)}`), 503, "store_unavailable");
    });

    it("sends clients to the store where the operator wants that, with a link that is soon over", async () => {
      await start({ redirect: true });
      const saved = await store.save(source(picture));
      const url = `${house.url}/images/${saved.id}`;
      const sent = await fetch(url, { redirect: "manual" });
      expect([sent.status, sent.headers.get("cache-control")]).to.deep.equal([302, "no-store"]);
      const link = sent.headers.get("location")!;
      expect(Buffer.from(await (await fetch(link)).arrayBuffer()).equals(picture)).to.equal(true);
      expect((await fetch(`${link}00`)).status).to.equal(403);
      const began = Date.now();
      // The link is over, and a fresh one is as easily had.
      time = () => began + 50_000;
      const later = (await fetch(url, { redirect: "manual" })).headers.get("location")!;
      time = () => began + 50_500;
      expect((await fetch(later)).status).to.equal(200);
      time = () => began + 65_000;
      expect((await fetch(link)).status).to.equal(403);
      time = Date.now;
      for (const [method, site] of [
        ["HEAD", "none"],
        ["GET", "same-origin"],
      ] as const)
        expect((await fetch(url, { method, headers: { "sec-fetch-site": site }, redirect: "manual" })).status, method).to.equal(200);
      const drawing = await store.save(source(Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'></svg>")));
      expect((await fetch(`${house.url}/images/${drawing.id}`, { redirect: "manual" })).status).to.equal(200);
    });
  });
});
