// The events of a job: its states, its pictures as they come, and its end.
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createLife } from "../../src/http/life.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, png, reply, until } from "./setup.ts";

const base64 = png.toString("base64");
const ask = { model: "demo", prompt: "a cat" };
const life = createLife();

interface Told {
  event: string;
  id?: string;
  data: Record<string, unknown> & { status?: string; result?: { data: { url: string }[] }; error?: { code: string } };
}

describe("http: the events of a job", () => {
  let house: DurableHouse;
  let response: ServerResponse | undefined;
  before(async () => {
    house = await startDurableHouse();
    house.gateway.heartbeat = 100;
  });
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    response = undefined;
    house.gateway.life = undefined;
    house.handler = (_call, one) => void (response = one);
  });

  const begin = async (body: object = ask) =>
    ((await (await house.generate(body, { headers: { prefer: "respond-async" } })).json()) as { id: string }).id;
  const watch = (id: string, { path = "/v1/images/jobs/", key = house.key, more = {} } = {}) =>
    fetch(`${house.url}${path}${id}/events`, { headers: { authorization: `Bearer ${key}`, ...more } });
  const ordered = () => until(() => response !== undefined);
  const read = (text: string): Told[] =>
    text
      .split("\n\n")
      .filter((block) => block !== "" && !block.startsWith(":"))
      .map((block) => {
        const lines = new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
        return { event: lines.get("event")!, id: lines.get("id"), data: JSON.parse(lines.get("data")!) as Told["data"] };
      });
  const names = (told: Told[]) => told.map(({ event }) => event);
  const picture = (one = response) => reply(one!, { created: 7, data: [{ b64_json: base64 }] });

  it("are its states from now on, comments meanwhile, and its very result", async () => {
    const id = await begin();
    await ordered();
    const stream = await watch(id);
    expect(stream.headers.get("content-type")).to.equal("text/event-stream");
    await delay(250);
    picture();
    const text = await stream.text();
    expect(text).to.include(": still at work");
    const told = read(text);
    expect(names(told)).to.deep.equal(["image.job.in_progress", "image.job.completed"]);
    const shown = (await (
      await fetch(`${house.url}/v1/images/jobs/${id}`, { headers: { authorization: `Bearer ${house.key}` } })
    ).json()) as object;
    expect(told[1]?.data).to.deep.equal({ type: "image.job.completed", ...shown });
    expect(told[1]?.data.result?.data[0]?.url).to.match(/\/images\//);
  });

  it("begin with how it stands, at each of its addresses, and end at once where it is over", async () => {
    const id = await begin();
    await ordered();
    picture();
    await (await watch(id)).text();
    for (const path of ["/v1/images/jobs/", "/v1/images/tasks/", "/v1/tasks/"])
      expect(names(read(await (await watch(id, { path })).text()))).to.deep.equal(["image.job.completed"]);
    const [last] = read(await (await watch(id)).text());
    const headers = { authorization: `Bearer ${house.key}` };
    expect((await fetch(`${house.url}/v1/images/jobs/${id}/events`, { method: "HEAD", headers })).status).to.equal(200);
    // A client that connects again by itself would do so for ever.
    expect((await watch(id, { more: { "last-event-id": last?.id ?? "" } })).status).to.equal(204);
    expect(names(read(await (await watch(id, { more: { "last-event-id": "other" } })).text()))).to.have.length(1);
  });

  it("tell that it failed or was cancelled", async () => {
    const id = await begin();
    await ordered();
    const failing = await watch(id);
    reply(response!, { error: { message: "no", code: "content_policy_violation" } }, 400);
    const failed = read(await failing.text()).at(-1);
    expect([failed?.event, failed?.data.error?.code]).to.deep.equal(["image.job.failed", "content_policy_violation"]);
    response = undefined;
    const other = await begin();
    await ordered();
    const ending = await watch(other);
    await fetch(`${house.url}/v1/images/jobs/${other}`, { method: "DELETE", headers: { authorization: `Bearer ${house.key}` } });
    expect(names(read(await ending.text())).at(-1)).to.equal("image.job.cancelled");
  });

  it("show pictures as they come, where the job streams", async () => {
    const id = await begin({ ...ask, stream: true, partial_images: 2 });
    await ordered();
    const stream = await watch(id);
    await delay(50);
    response!.writeHead(200, { "content-type": "text/event-stream" });
    const send = (type: string, more: object) =>
      response!.write(`event: ${type}\ndata: ${JSON.stringify({ type, b64_json: base64, ...more })}\n\n`);
    for (const partial_image_index of [0, 1]) {
      send("image_generation.partial_image", { partial_image_index });
      await delay(50);
    }
    send("image_generation.completed", { usage: { total_tokens: 3 } });
    response!.end();
    const told = read(await stream.text());
    expect(names(told)).to.deep.equal([
      "image.job.in_progress",
      "image_generation.partial_image",
      "image_generation.partial_image",
      "image_generation.completed",
      "image.job.completed",
    ]);
    expect(told[1]?.data).to.include({ partial_image_index: 0, b64_json: base64 });
  });

  it("of a client that does not read hold up nothing, and leave out unfinished pictures", async () => {
    const big = Buffer.alloc(3_000_000, png).toString("base64");
    const id = await begin({ ...ask, stream: true, partial_images: 3 });
    await ordered();
    const { hostname, port } = new URL(house.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /v1/images/jobs/${id}/events HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\n\r\n`);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    await delay(50);
    response!.writeHead(200, { "content-type": "text/event-stream" });
    for (let index = 0; index < 12; index += 1)
      response!.write(
        `event: image_generation.partial_image\ndata: ${JSON.stringify({ type: "image_generation.partial_image", b64_json: big, partial_image_index: index })}\n\n`,
      );
    response!.write(
      `event: image_generation.completed\ndata: ${JSON.stringify({ type: "image_generation.completed", b64_json: base64 })}\n\n`,
    );
    response!.end();
    const other = read(await (await watch(id)).text());
    expect(names(other).at(-1)).to.equal("image.job.completed");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.resume();
    await until(() => text.includes("event: image.job.completed"));
    expect(text.split("event: image_generation.partial_image").length - 1).to.be.below(12);
    socket.destroy();
  });

  it("are those of a job that another process serves, too", async () => {
    const { client } = (await house.ledger.find(await begin()))!;
    const now = Date.now();
    const row = rowAt(now, { client, job: true, owner: "elsewhere/1/x", leaseUntil: now + 60_000 });
    await house.ledger.add(row);
    const stream = await watch(row.id);
    await delay(100);
    await house.ledger.update(row.id, { status: "cancelled", endedAt: now });
    expect(names(read(await stream.text()))).to.deep.equal(["image.job.in_progress", "image.job.cancelled"]);
  });

  it("end where the process is told to, and with an error where the ledger goes away", async () => {
    const id = await begin();
    await ordered();
    const stream = await watch(id);
    house.gateway.life = life;
    life.end();
    expect(names(read(await stream.text()))).to.deep.equal(["image.job.in_progress"]);
    house.gateway.life = undefined;
    const other = await watch(id);
    await delay(100);
    house.outage.isAway = true;
    const told = read(await other.text());
    house.outage.isAway = false;
    expect(names(told)).to.deep.equal(["image.job.in_progress", "error"]);
    picture();
  });

  it("are another client's to nobody", async () => {
    const id = await begin();
    await errorOf(await watch(id, { key: "sk-other" }), 404, "not_found");
    await errorOf(await watch("none"), 404, "not_found");
    await ordered();
    picture();
    await (await watch(id)).text();
  });
});
