// The pictures of requests that are answered before their picture is there.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NotStored } from "../../src/picture/store.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { httpProvider } from "../helpers/provider.ts";
import { startDurableHouse } from "./durable-house.ts";
import { startLateHouse, type LateHouse } from "./late-house.ts";
import { errorOf, png, reply, until } from "./setup.ts";

describe("a picture that comes after its request was answered", () => {
  let house: LateHouse;
  before(async () => (house = await startLateHouse()));
  after(() => house.close());
  beforeEach(() => house.reset());

  it("is stored where the provider gave a URL", async () => {
    const id = await house.slow({ prompt: "a URL", response_format: "url" });
    for (const response of house.waiting) reply(response, { created: 7, data: [{ url: `${house.provider.url}/cat.png` }] });
    const [picture] = (await house.ended(id)).result?.data ?? [];
    expect(picture?.url).to.match(new RegExp(`^${house.url}/images/`));
  });

  it("keeps the provider's own URL where that leads to a private address that its channel does not trust", async () => {
    const other = await httpProvider((_request, response) => response.end(png));
    try {
      const id = await house.slow({ prompt: "a private URL", response_format: "url" });
      const url = `${other.url}/cat.png`;
      for (const response of house.waiting) reply(response, { created: 7, data: [{ url }] });
      expect((await house.ended(id)).result?.data).to.deep.equal([{ url }]);
      expect(other.calls()).to.equal(0);
    } finally {
      await other.close();
    }
  });

  /** Run something while no picture can be stored. */
  async function unstored(run: () => Promise<void>): Promise<void> {
    const { store } = house.gateway;
    house.gateway.store = { ...store, save: () => Promise.reject(new NotStored("full")) };
    await run().finally(() => (house.gateway.store = store));
  }

  /** Send the first part of an answer whose large picture is still arriving, and give a function that sends the rest. */
  async function begin(large: Buffer): Promise<() => void> {
    const answer = `{"created":7,"data":[{"b64_json":"${large.toString("base64")}","revised_prompt":"a cat"}],"usage":{"total_tokens":3}}`;
    const [response] = house.waiting;
    response!.writeHead(200, { "content-type": "application/json" });
    await new Promise((resolve) => response!.write(answer.slice(0, answer.length / 2), resolve));
    return () => void response!.end(answer.slice(answer.length / 2));
  }

  it("is stored with what its provider said behind it", async () => {
    const large = Buffer.concat([png, Buffer.alloc(1024 * 1024, "x")]);
    const id = await house.slow({ prompt: "large" });
    const rest = await begin(large);
    expect((await house.shown(id)).status).to.equal("in_progress");
    rest();
    const { result } = await house.ended(id);
    expect([result?.data[0]?.revised_prompt, result?.usage]).to.deep.equal(["a cat", { total_tokens: 3 }]);
    expect(Buffer.from(await (await fetch(String(result?.data[0]?.url))).arrayBuffer()).equals(large)).to.equal(true);
  });

  it("is an error where it cannot be stored", async () => {
    await unstored(async () => {
      const id = await house.slow({ prompt: "unstored" });
      for (const response of house.waiting) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
      expect((await house.ended(id)).error?.code).to.equal("insufficient_storage");
    });
  });

  it("is told to be cut where its provider ends in the middle of it", async () => {
    const id = await house.slow({ prompt: "cut" });
    await begin(Buffer.concat([png, Buffer.alloc(1024 * 1024, "x")]));
    for (const response of house.waiting) response.destroy();
    expect((await house.ended(id)).error).to.include({ type: "api_error", code: "bad_upstream_response" });
  });

  it("is made of images that are kept as long as their provider needs them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-late-"));
    const finish: (() => void)[] = [];
    const sent: string[] = [];
    const file = `extends: openai-images\nbase_url: \${env.ACME_BASE_URL}\nplugins: [image-inputs]\nlimits: { concurrency: 1 }\nmodels: { edits: { schema: gpt-image-1 } }\n`;
    // Every image is a file.
    const gateway = await startDurableHouse({ "acme.yaml": file }, { spool: createSpool({ folder, largest: 1 }) });
    gateway.handler = ({ body }, response) => {
      sent.push(body);
      finish.push(() => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] }));
    };
    try {
      const table = gateway.gateway.table();
      gateway.gateway.table = () => ({ ...table, answerWithin: 50 });
      const edit = async () => {
        const form = new FormData();
        form.set("model", "edits");
        form.set("prompt", "a cat");
        form.set("image", new Blob([png], { type: "image/png" }), "cat.png");
        const headers = { authorization: `Bearer ${gateway.key}` };
        const response = await fetch(`${gateway.url}/v1/images/edits`, { method: "POST", headers, body: form });
        await errorOf(response, 504, "upstream_timeout");
        return String(response.headers.get("x-request-id"));
      };
      // The second waits for the place of the first until long after its 504.
      const ids = [await edit(), await edit()];
      expect(finish.length).to.equal(1);
      finish[0]!();
      await until(() => finish.length === 2);
      finish[1]!();
      for (const id of ids) await until(async () => (await gateway.gateway.durable?.ledger.find(id))?.status === "completed");
      expect(sent.map((body) => body.includes("IHDR"))).to.deep.equal([true, true]);
    } finally {
      await gateway.close();
      await rm(folder, { recursive: true });
    }
  });
});
