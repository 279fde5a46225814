import { expect } from "chai";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { verify } from "../../src/cli/verify.ts";
import { channel, makeFolder } from "../channels/mistakes.ts";
import { inProcess, pictor } from "./commands.ts";

const acme = `${channel
  .replace("https://api.example.com", "${env.ACME_URL}")
  .replace(/keys:.*/, 'keys: ["${env.GOOD_KEY}", "${env.BAD_KEY}", "${env.EMPTY_KEY}"]')}verify: { get: /credits }
errors:
  - { when: body.credits == 0, class: quota, message: "no credits left for \${body.of}" }
`;
const own = `${channel.replace("https://api.example.com", "${env.ACME_URL}").replace(/keys:.*\n/, "")}verify: { get: /hello }\n`;

const keys = { GOOD_KEY: "good-key-1", BAD_KEY: "bad-key-22", EMPTY_KEY: "empty-key-333" };
const refusedKey = "refused-key-4444";

describe("pictor verify", () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const key = request.headers.authorization?.replace("Bearer ", "") ?? "";
    asked.push(`${request.method} ${request.url} ${key}`);
    response.writeHead(key === keys.BAD_KEY ? 401 : 200, { "content-type": "application/json" });
    if (key === refusedKey) return void response.end(JSON.stringify({ success: false, message: "no such token" }));
    response.end(
      JSON.stringify(key === keys.BAD_KEY ? { error: `${key} is unknown` } : { credits: key === keys.EMPTY_KEY ? 0 : 9, of: key }),
    );
  });
  let folder: string;
  let env: Record<string, string>;
  before(async () => {
    folder = await makeFolder({ "acme.yaml": acme, "own.yaml": own, "x.yaml": channel });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    env = { PICTOR_CHANNELS: folder, ACME_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const run = (name?: string, more: Record<string, string> = {}, json = false) =>
    inProcess((say) => verify(name, { json }, { ...env, ...more }, say));

  it("tries every key of every channel that is on, and tells no secret", async () => {
    asked.length = 0;
    expect(await run(undefined, keys)).to.deep.equal({
      code: 1,
      out: `acme key 1: ok
acme key 2: auth: *** is unknown
acme key 3: quota: no credits left for ***
own key 1: ok
`.replace("own key 1", "own"),
      err: "",
    });
    expect(asked).to.deep.equal(["GET /credits good-key-1", "GET /credits bad-key-22", "GET /credits empty-key-333", "GET /hello "]);
  });

  it("ends with 0 when the keys work", async () => {
    expect(await run("acme", { GOOD_KEY: keys.GOOD_KEY })).to.deep.equal({ code: 0, out: "acme key 1: ok\n", err: "" });
    const { code, out } = await run("own", {}, true);
    expect([code, JSON.parse(out)]).to.deep.equal([0, { verdicts: [{ channel: "own", verdict: "ok" }] }]);
  });

  it("does not take an error inside a 200 for a key that works", async () => {
    expect((await run("acme", { GOOD_KEY: refusedKey })).out).to.equal("acme key 1: failed: no such token\n");
  });

  it("tells why a channel that is named cannot be tried", async () => {
    expect(await run("acme")).to.include({ code: 1 });
    expect((await run("acme")).out).to.match(/^acme: off: GOOD_KEY or .* is not set\n$/);
    const { out } = await run("x", { X_API_KEY: "k" }, true);
    expect(JSON.parse(out)).to.deep.equal({ verdicts: [{ channel: "x", verdict: "it has no verify, no call is known to be free" }] });
    expect((await run("acm")).err).to.equal("there is no channel acm (did you mean acme?)");
  });

  it("tells a provider that does not answer", async () => {
    const { code, out } = await run("own", { ACME_URL: "http://127.0.0.1:1" });
    expect([code, out]).to.deep.equal([1, "own: failed: the provider could not be reached\n"]);
  });

  it("is a command, and says when there is nothing to try", async () => {
    expect(await pictor(["verify"], { PICTOR_CHANNELS: folder })).to.deep.equal({
      code: 0,
      out: "no channel that is on has a free call\n",
      err: "",
    });
  });
});
