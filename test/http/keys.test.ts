// Clients' keys that the operator adds, changes, rotates and revokes while the gateway runs.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createLedger, type Ledger } from "../../src/ledger/ledger.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { lookAfter, shortestPause } from "../../src/http/stored-keys.ts";
import { keyAt } from "../ledger/keys-suite.ts";
import { inForceOf, keysOn, startKeysHouse, type KeysHouse } from "./keys-house.ts";
import { errorOf, until } from "./setup.ts";

interface Shown {
  name: string;
  status: string;
  key: string;
  note?: string;
  begins: string;
  previous_until?: number;
}

describe("http: keys at run time", () => {
  let house: KeysHouse;
  before(async () => (house = await startKeysHouse()));
  after(() => house.close());
  beforeEach(() => house.file(""));
  let count = 0;
  /** A name that no other test has. */
  const newName = () => `shop-${(count += 1)}`;
  const json = async (answer: Response, status = 200) => {
    const body = (await answer.json()) as Shown;
    expect(answer.status, JSON.stringify(body)).to.equal(status);
    return body;
  };
  const add = async (options: object = {}) => json(await house.admin("POST", "", { name: newName(), ...options }), 201);

  it("makes one that works at once, with what it is given, and shows it once", async () => {
    const made = await add({ models: ["demo"], concurrency: 3 });
    expect(made.key).to.match(/^pk-[\w-]{43}$/);
    expect(made).to.include({ object: "key", status: "active", source: "ledger", concurrency: 3, begins: made.key.slice(0, 9) });
    expect(made).not.to.have.property("note");
    expect(await house.statusOf(made.key)).to.equal(200);
    expect(await house.statusOf(made.key, "acme/cat-1")).to.equal(403);
    for (const path of ["", `/${made.name}`, `/${made.name}/changes`]) {
      const answer = await house.admin("GET", path);
      expect(answer.headers.get("cache-control")).to.equal("no-store");
      const text = await answer.text();
      expect(text)
        .to.include(path.endsWith("changes") ? '"action":"added"' : made.name)
        .and.not.include(made.key);
    }
    const { client } = house.log.find(({ msg, client: name }) => msg === "request" && name !== undefined) ?? {};
    expect(client).to.equal(made.name);
  });

  for (const [options, param, message] of [
    [{ name: "a b" }, "name", /^name: "a b" is not a name of letters/],
    [{ name: 7 }, "name", /^name: must be text/],
    [{ name: undefined }, null, /^name is missing/],
    [{ name: "key-7" }, "name", /^name: key-7 is the name of a key of PICTOR_API_KEYS/],
    [{ modles: [] }, "modles", /^unknown key "modles" \(did you mean models\?\)/],
    [{ models: [] }, "models", /^models: must not be empty/],
    [{ concurrency: 0 }, "concurrency", /^concurrency: must be >= 1/],
    [{ expires: "2027-02-30" }, "expires", /^expires: there is no such day as 2027-02-30/],
    [{ may_webhook: ["orders"] }, "may_webhook", /^may_webhook: there is no webhook orders/],
    [{ may_webhook: "any" }, "may_webhook", /^may_webhook "any" needs webhook_secret/],
    [{ may_webhook: "any", webhook_secret: "whsec_x" }, "webhook_secret", /^webhook_secret: a secret written out/],
    [{ may_pin: 1, concurrency: "x" }, "concurrency", /^concurrency: must be a whole number, not "x"; may_pin: must be true or false/],
  ] as const)
    it(`refuses ${JSON.stringify(options)} as the file would`, async () => {
      const answer = await house.admin("POST", "", { name: "other", ...options });
      expect((await errorOf(answer, 400, "invalid_value", param)).message).to.match(message);
    });

  it("refuses bodies that are none, and keys of one's own", async () => {
    await errorOf(await house.admin("POST", "", { name: "other", key: "sk-mine" }), 400, "unknown_parameter", "key");
    await errorOf(await house.admin("POST", "", []), 400, "invalid_json");
    const form = { "content-type": "multipart/form-data; boundary=x" };
    const body = '--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nother\r\n--x--\r\n';
    const headers = { authorization: "Bearer sk-operator", ...form };
    await errorOf(await fetch(`${house.url}/admin/keys`, { method: "POST", headers, body }), 415, "unsupported_media_type");
  });

  it("leaves the keys of files and variables as they are", async () => {
    house.file(`keys: [{ name: studio, key: "sha256:${"0".repeat(64)}" }, { name: later, key: "\${env.NONE}" }]`);
    for (const name of ["studio", "later"]) {
      const { message } = await errorOf(await house.admin("POST", "", { name }), 409, "conflict", "name");
      expect(message).to.match(/stands in gateway.yaml; it is changed there/);
    }
    for (const [method, path] of [
      ["PATCH", "/studio"],
      ["DELETE", "/studio"],
      ["DELETE", "/key-1"],
      ["POST", "/studio/rotate"],
    ] as const)
      await errorOf(await house.admin(method, path, method === "PATCH" ? {} : undefined), 409, "conflict", "name");
    expect(await json(await house.admin("GET", "/studio"))).to.deep.equal({ object: "key", name: "studio", source: "gateway.yaml" });
    const { data } = (await (await house.admin("GET", "")).json()) as { data: { name: string; source: string }[] };
    expect(data.slice(0, 3).map(({ name, source }) => `${name} ${source}`)).to.deep.equal([
      "studio gateway.yaml",
      "later gateway.yaml",
      "key-1 PICTOR_API_KEYS",
    ]);
  });

  it("says that the key which the gateway made for itself is good as before", async () => {
    house.file("", "sk-own");
    const made = await add();
    expect(made.note).to.match(/the key that the gateway made for itself at its start is good as before/);
    expect(await house.statusOf("sk-own")).to.equal(200);
    expect(await house.statusOf(made.key)).to.equal(200);
    const { message } = await errorOf(await house.admin("DELETE", "/key-1"), 409, "conflict", "name");
    expect(message).to.match(/is the one that the gateway made for itself/);
  });

  it("gives a name to gateway.yaml where both have it, and says so", async () => {
    const made = await add();
    house.file(`keys: [{ name: ${made.name}, key: "\${env.NONE}" }]`);
    expect(await house.statusOf(made.key)).to.equal(401);
    expect(await json(await house.admin("GET", `/${made.name}`))).to.include({ status: "refused" });
    await errorOf(await house.admin("POST", "", { name: made.name }), 409, "conflict", "name");
    expect(await json(await house.admin("DELETE", `/${made.name}`))).to.include({ status: "revoked" });
    expect(await json(await house.admin("GET", `/${made.name}`))).to.include({ source: "gateway.yaml" });
  });

  it("changes what a key is given", async () => {
    const { name, key } = await add({ models: ["acme/*"], images_per_minute: 60 });
    expect(await house.statusOf(key)).to.equal(403);
    const changed = await json(await house.admin("PATCH", `/${name}`, { models: null, concurrency: 2 }));
    expect(changed).to.include({ concurrency: 2, images_per_minute: 60 }).and.not.have.any.keys("models", "key");
    expect(await house.statusOf(key)).to.equal(200);
    await errorOf(await house.admin("PATCH", `/${name}`, { name: "other" }), 400, "unknown_parameter", "name");
    await errorOf(await house.admin("PATCH", `/${name}`, { concurrency: -1 }), 400, "invalid_value", "concurrency");
    await json(await house.admin("PATCH", `/${name}`, { expires: "2020-01-31" }));
    expect(await json(await house.admin("GET", `/${name}`))).to.include({ status: "expired" });
    const answer = await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await errorOf(answer, 401, "invalid_api_key")).message).to.equal(
      "the API key expired at 2020-02-01T00:00:00.000Z; ask the operator for a new one",
    );
  });

  it("puts another key in the place of one, which ends at once or after a time", async () => {
    const { name, key } = await add();
    const second = await json(await house.admin("POST", `/${name}/rotate`));
    expect(second.key).not.to.equal(key);
    expect(await Promise.all([key, second.key].map((one) => house.statusOf(one)))).to.deep.equal([401, 200]);
    const third = await json(await house.admin("POST", `/${name}/rotate?grace=1s`));
    expect(third.previous_until).to.be.a("number");
    expect(await Promise.all([second.key, third.key].map((one) => house.statusOf(one)))).to.deep.equal([200, 200]);
    await until(async () => (await house.statusOf(second.key)) === 401);
    const answer = await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${second.key}` } });
    expect((await errorOf(answer, 401, "invalid_api_key")).message).to.match(/^the API key expired at/);
    expect(await json(await house.admin("GET", `/${name}`))).not.to.have.property("previous_until");
    const { message } = await errorOf(await house.admin("POST", `/${name}/rotate?grace=soon`), 400, "invalid_value", "grace");
    expect(message).to.equal("grace must be a duration; write 500ms, 90s, 10m or 1h");
  });

  it("refuses a revoked key, and frees its name", async () => {
    const { name, key } = await add();
    await json(await house.admin("POST", `/${name}/rotate?grace=1h`));
    expect(await json(await house.admin("DELETE", `/${name}`)))
      .to.include({ status: "revoked" })
      .and.not.have.property("previous_until");
    const again = await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await errorOf(again, 401, "invalid_api_key")).message).to.equal("the API key is not one of this gateway's");
    for (const [method, path] of [
      ["DELETE", ""],
      ["PATCH", ""],
      ["POST", "/rotate"],
    ] as const) {
      const answer = await house.admin(method, `/${name}${path}`, method === "PATCH" ? {} : undefined);
      expect((await errorOf(answer, 404, "not_found")).message).to.match(/was revoked at/);
    }
    const list = await (await house.admin("GET", "")).text();
    expect(list).not.to.include(`"${name}"`);
    const next = await json(await house.admin("POST", "", { name }), 201);
    expect(await house.statusOf(next.key)).to.equal(200);
    const { data } = (await (await house.admin("GET", `/${name}/changes`)).json()) as { data: { action: string; by: string }[] };
    expect(data.map(({ action }) => action)).to.deep.equal(["added", "revoked", "rotated", "added"]);
    expect(data[0]?.by).to.match(/^the API at (::ffff:)?127\.0\.0\.1$/);
    for (const path of ["/nobody", "/nobody/changes"]) await errorOf(await house.admin("GET", path), 404, "not_found");
    await errorOf(await house.admin("DELETE", "/nobody"), 404, "not_found");
  });

  it("is for the operator alone, where there is one", async () => {
    const { key } = await add();
    for (const other of [key, "sk-test"])
      await errorOf(await house.admin("GET", "", undefined, { authorization: `Bearer ${other}` }), 401, "invalid_api_key");
    const { adminKey } = house.gateway;
    house.gateway.adminKey = undefined;
    await errorOf(await house.admin("GET", ""), 404, "not_found");
    house.gateway.adminKey = adminKey;
    const { keyDesk } = house.gateway;
    house.gateway.keyDesk = undefined;
    await errorOf(await house.admin("GET", ""), 404, "not_found");
    house.gateway.keyDesk = keyDesk;
  });

  it("says so where two change a key at the same moment", async () => {
    const { name } = await add();
    const answers = await Promise.all([1, 2].map((concurrency) => house.admin("PATCH", `/${name}`, { concurrency })));
    expect(answers.map(({ status }) => status)).to.have.members([200, 409]);
    const { message } = await errorOf(
      answers.find(({ status }) => status === 409)!,
      409,
      "conflict",
    );
    expect(message).to.equal(`another changed the key ${name} at the same moment; send this again`);
  });

  it("holds nobody's key in its files and its log, nor in what it says", async () => {
    const { key, name } = await add({ may_webhook: "any", webhook_secret: "${env.HOOK_SECRET}" });
    const { key: other } = await json(await house.admin("POST", `/${name}/rotate?grace=1h`));
    for (const one of [key, other]) expect(await house.statusOf(one)).to.equal(200);
    const files = await readdir(house.folder, { withFileTypes: true, recursive: true });
    const written = files.filter((file) => file.isFile());
    expect(written.map((file) => file.name)).to.include("ledger.db");
    const secret = Buffer.alloc(32, 1).toString("base64");
    for (const file of written) {
      const text = (await readFile(join(file.parentPath, file.name))).toString("latin1");
      for (const hidden of [key, other, secret]) expect(text.includes(hidden), file.name).to.equal(false);
    }
    const log = JSON.stringify(house.log);
    expect(log).to.include(`"key":"${name}","action":"rotated"`);
    for (const hidden of [key, other, secret]) expect(log).not.to.include(hidden);
  });

  describe("in another process", () => {
    let ledger: Ledger;
    let looks = 0;
    let there: Awaited<ReturnType<typeof keysOn>>;
    before(async () => {
      ledger = createLedger({ database: await openSqlite(join(house.folder, "ledger.db")), folder: house.folder });
      const since: Ledger["keys"]["since"] = (version) => {
        looks += 1;
        return ledger.keys.since(version);
      };
      there = await keysOn({ keys: { ...ledger.keys, since } }, () => inForceOf(""));
    });
    after(async () => {
      await there.close();
      await ledger.close();
    });

    it("is known at once, and refused by the second look after its end", async () => {
      // Two looks take a second at most, where the machine is not late.
      expect(2 * lookAfter).to.be.at.most(1000);
      const { name, key } = await add();
      expect(there.keys.find(key)).to.equal(undefined);
      expect((await there.keys.seek?.(key))?.name).to.equal(name);
      expect(there.keys.byId(name)?.name).to.equal(name);
      await house.admin("DELETE", `/${name}`);
      const before = looks;
      await until(() => there.keys.find(key) === undefined);
      expect(looks - before).to.be.at.most(2);
      expect(there.keys.byId(name)).to.equal(undefined);
    });

    it("is refused where this version does not understand what it is given", async () => {
      const log: Record<string, unknown>[] = [];
      await ledger.keys.write(keyAt(1, { name: "newer", options: { wings: 2 } }), 0, { action: "added", by: "a newer version" });
      const newer = await keysOn(ledger, () => inForceOf(""), log);
      expect(newer.keys.byId("newer")).to.equal(undefined);
      expect(log).to.have.length(1);
      expect(log[0]).to.include({ key: "newer", msg: "a key of the ledger is refused: what it is given is not understood" });
      await newer.close();
      expect(await json(await house.admin("GET", "/newer"))).to.include({ status: "refused" });
    });
  });

  it("does not keep the ledger busy with keys that nobody has", async () => {
    const began = performance.now();
    /** Looks that are due since then: those that unknown keys ask for, and those that come by themselves. */
    const due = (own: number) => 3 + (own + 1 / lookAfter) * (performance.now() - began);
    const before = house.looks();
    const statuses = await Promise.all(Array.from({ length: 200 }, (_, index) => house.statusOf(`pk-${String(index).padStart(43, "x")}`)));
    expect(new Set(statuses)).to.deep.equal(new Set([401]));
    expect(house.looks() - before).to.be.at.most(due(1 / shortestPause));
    // Others are none of the ledger's.
    const none = house.looks();
    await Promise.all(Array.from({ length: 50 }, (_, index) => house.statusOf(`sk-${index}`)));
    expect(house.looks() - none).to.be.at.most(due(0));
  });

  it("goes on with the keys that it knows while the ledger is away, and does not judge those that it does not", async () => {
    const { key } = await add();
    const unknown = `pk-${"x".repeat(43)}`;
    const ask = (one: string) => fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${one}` } });
    house.outage.isAway = true;
    for (let times = 0; times < 2; times += 1) {
      const answer = await ask(unknown);
      expect(answer.headers.get("retry-after")).to.equal("5");
      expect((await errorOf(answer, 503, "ledger_unavailable")).message).to.match(/cannot look this API key up at the moment/);
    }
    expect((await ask(key)).status).to.equal(200);
    await errorOf(await ask("sk-unknown"), 401, "invalid_api_key");
    await errorOf(await house.admin("POST", "", { name: newName() }), 503, "ledger_unavailable");
    house.outage.isAway = false;
    await until(async () => (await ask(unknown)).status === 401);
  });
});
