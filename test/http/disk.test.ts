// What becomes of requests while the gateway's own disk is full, read-only or gone.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createSpool } from "../../src/picture/spool.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import { pngChunk } from "../../src/picture/png.ts";
import { errorOf, metric, png, reply, startHouse, type House } from "./setup.ts";

const small = png.toString("base64");
/** A real PNG of more bytes than are held in memory by choice. */
const large = Buffer.concat([png.subarray(0, -12), pngChunk("tEXt", Buffer.alloc(6_000_000, "x")), png.subarray(-12)]);

interface Answer {
  data: { url?: string; b64_json?: string }[];
  metadata?: { pictor?: { changes?: object[] } };
}

describe("a disk of ours that takes nothing", () => {
  let folder: string;
  let house: House;
  let picture = small;
  const stores: { close(): Promise<void> }[] = [];

  /** A gateway whose folder is a file: nothing can be written there, whoever runs the tests. */
  const start = async (memory?: number) => {
    folder = await mkdtemp(join(tmpdir(), "pictor-no-disk-"));
    const store = await openFolderStore({ folder, life: 3600 });
    const spool = createSpool({ folder: join(folder, "tmp"), memory });
    stores.push(store, spool);
    await rm(folder, { recursive: true });
    await writeFile(folder, "");
    house = await startHouse(
      ({ body }, response) => {
        const n = Number(/"n":(\d)/.exec(body)?.[1] ?? 1);
        reply(response, { created: 7, data: Array.from({ length: n }, () => ({ b64_json: picture })) });
      },
      { store, spool },
    );
  };
  afterEach(async () => {
    await house.close();
    for (const store of stores.splice(0)) await store.close();
    await rm(folder, { recursive: true, force: true });
    picture = small;
  });

  const edit = (image: Buffer) =>
    fetch(`${house.url}/v1/images/edits`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", prompt: "x", image: image.toString("base64") }),
    });

  it("does not lose a paid picture for which a URL was asked: it goes out as base64, told as a change and logged", async () => {
    await start();
    const response = await house.generate({ model: "demo", prompt: "x", response_format: "url" });
    expect(response.status).to.equal(200);
    const { data, metadata } = (await response.json()) as Answer;
    expect(data).to.deep.equal([{ b64_json: small }]);
    expect(metadata?.pictor?.changes).to.deep.equal([
      { field: "response_format", what: "the picture could not be stored", from: "url", to: "b64_json" },
    ]);
    expect(house.log.filter(({ msg }) => msg === "a picture could not be stored")).to.have.length(1);
    expect(house.log.some(({ level }) => Number(level) >= 50)).to.equal(true);
  });

  it("hands out two pictures that are too large to be held in memory by choice", async () => {
    await start();
    picture = large.toString("base64");
    const response = await house.generate({ model: "demo", prompt: "x", n: 2, response_format: "b64_json" });
    expect(response.status).to.equal(200);
    expect(((await response.json()) as Answer).data.map(({ b64_json }) => b64_json === picture)).to.deep.equal([true, true]);
  });

  it("shows in /readyz and in the metrics, and takes nobody out of service", async () => {
    await start();
    const ready = await fetch(`${house.url}/readyz`);
    expect([ready.status, ((await ready.json()) as { store: unknown }).store]).to.deep.equal([200, { writable: false, free_bytes: 0 }]);
    expect(await metric(house.url, "pictor_store_writable")).to.equal(0);
    expect(await metric(house.url, "pictor_store_free_bytes")).to.equal(0);
  });

  it("refuses an input image that memory has no room for with a 507, before anything is ordered", async () => {
    await start(1_000_000);
    const held = house.gateway.spool.scope();
    await held.room(1_000_000, new AbortController().signal);
    const response = await edit(large);
    expect(response.headers.get("x-should-retry")).to.equal("true");
    expect(response.headers.get("retry-after")).to.equal("30");
    await errorOf(response, 507, "insufficient_storage");
    expect(house.provider.calls).to.deep.equal([]);
    await held.close();
  });

  it("refuses an order with a 507 where neither disk nor memory has room for what will come back", async () => {
    await start(1_000_000);
    const held = house.gateway.spool.scope();
    await held.room(1_000_000, new AbortController().signal);
    await errorOf(await house.generate({ model: "demo", prompt: "x" }), 507, "insufficient_storage");
    expect(house.provider.calls).to.deep.equal([]);
    await held.close();
    expect((await house.generate({ model: "demo", prompt: "x" })).status).to.equal(200);
  });
});

describe("a disk of ours that is well", () => {
  it("shows in /readyz and in the metrics", async () => {
    const house = await startHouse();
    try {
      const { store } = (await (await fetch(`${house.url}/readyz`)).json()) as { store: { writable: boolean; free_bytes: number } };
      expect(store.writable).to.equal(true);
      expect(store.free_bytes).to.be.greaterThan(0);
      expect(await metric(house.url, "pictor_store_writable")).to.equal(1);
      expect(await metric(house.url, "pictor_store_free_bytes")).to.be.greaterThan(0);
    } finally {
      await house.close();
    }
  });
});
