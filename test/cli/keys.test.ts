import { expect } from "chai";
import { idOfLoneKey } from "../../src/http/client-keys.ts";
import { addKey, changeKey, listKeys, revokeKey, rotateKey, showKey } from "../../src/cli/keys.ts";
import { keyFlags, keyOptionsOf } from "../../src/cli/key-flags.ts";
import { startKeysHouse, type KeysHouse } from "../http/keys-house.ts";
import { pictor } from "./commands.ts";

const env = { PICTOR_ADMIN_KEY: "sk-operator" };

describe("pictor keys", () => {
  let house: KeysHouse;
  let said: string[];
  let noted: string[];
  before(async () => (house = await startKeysHouse()));
  after(() => house.close());
  beforeEach(() => ([said, noted] = [[], []]));

  const plain = (line: string) => line.replaceAll(/\u001b\[\d+m/g, "").replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, "TIME");
  const around = (own: Record<string, string> = env) => ({
    env: own,
    say: (line: string) => void said.push(plain(line)),
    note: (line: string) => void noted.push(plain(line)),
  });
  const at = (more: object = {}) => ({ url: house.url, ...more });

  it("prints a key once, and says the rest beside it", async () => {
    const ran = await pictor(
      ["keys", "add", "shop", "--url", house.url, "--models", "demo, acme/*", "--concurrency", "3", "--may-pin", "--expires", "2031-06-30"],
      { CI: "true", ...env },
    );
    expect(ran.err).to.equal("this is the key of shop; it is shown this once, and only its SHA-256 is kept\n");
    expect(ran.out).to.match(/^pk-[\w-]{43}\n$/);
    expect(await house.statusOf(ran.out.trim())).to.equal(200);
    const given = 'models ["demo","acme/*"], concurrency 3, may_pin true, expires 2031-06-30';
    await listKeys(at(), around());
    expect(said[0]).to.equal(`key-1 in PICTOR_API_KEYS; its requests are those of ${idOfLoneKey("sk-test")}`);
    expect(said[1]).to.match(/^shop active since TIME pk-[\w-]{6}\.\.\.: models/);
    for (const part of given.split(", ")) expect(said[1]).to.include(part);
  });

  it("changes, rotates, shows and revokes one", async () => {
    await addKey("studio", at({ concurrency: 3, mayPin: true }), around());
    await changeKey("studio", at({ unset: "may_pin", imagesPerMinute: 60 }), around());
    await rotateKey("studio", at({ grace: "24h" }), around());
    expect(noted.slice(1)).to.deep.equal([
      "this is the key of studio; it is shown this once, and only its SHA-256 is kept",
      "the one before it is good until TIME",
    ]);
    said = [];
    await showKey("studio", at(), around());
    const [line = "", ...changes] = said;
    expect(line).to.match(/^studio active since TIME pk-[\w-]{6}\.\.\., the one before it until TIME: /);
    expect(changes).to.have.length(3);
    expect(changes.at(-1)).to.match(/^ {2}TIME added by pictor keys at \S+: concurrency 3, may_pin true$/);
    said = [];
    await revokeKey("studio", at(), around());
    expect(said[0]).to.match(/^studio revoked at TIME pk-/);
    house.file("", "sk-own");
    said = [];
    await showKey("key-1", at(), around());
    await addKey("other", at(), around());
    await rotateKey("other", at(), around());
    house.file("");
    expect(said[0]).to.equal(`key-1 made by the gateway, which has no other; its requests are those of ${idOfLoneKey("sk-own")}`);
    expect(noted.some((one) => one.startsWith("the key that the gateway made for itself"))).to.equal(true);
  });

  it("speaks JSON", async () => {
    await addKey("json", at({ json: true }), around());
    await changeKey("json", at({ json: true, concurrency: 1 }), around());
    await showKey("json", at({ json: true }), around());
    await listKeys(at({ json: true }), around());
    const [made, changed, shown, list] = said.map((text) => JSON.parse(text) as Record<string, unknown> & { name: string }[]);
    expect(made).to.have.property("key");
    expect(changed).to.include({ concurrency: 1 });
    expect(shown?.changes).to.have.length(2);
    expect(list?.map(({ name }) => name)).to.include("json");
    expect(noted).to.deep.equal([]);
  });

  it("says why it does not", async () => {
    const problemOf = (work: Promise<void>) =>
      work.then(
        () => "none",
        (error: unknown) => (error as Error).message,
      );
    await addKey("taken", at(), around());
    expect(await problemOf(addKey("taken", at(), around()))).to.match(/^name: there is a key taken already/);
    expect(await problemOf(addKey("x", at({ concurrency: "many" }), around()))).to.match(
      /^concurrency: must be a whole number, not "many"/,
    );
    expect(await problemOf(revokeKey("nobody", at(), around()))).to.match(/^there is no key nobody/);
    expect(await problemOf(listKeys(at(), around({})))).to.match(/needs the operator's key/);
    house.gateway.adminKey = undefined;
    expect(await problemOf(listKeys(at(), around()))).to.match(/set PICTOR_ADMIN_KEY where it runs/);
    house.gateway.adminKey = "sk-operator";
  });

  it("has a flag for each option of the file, with its kind of value", () => {
    const flags = Object.fromEntries(keyFlags().map((flag) => [flag.attributeName(), flag]));
    const read = (name: string, text: string) => (flags[name]?.parseArg as ((text: string) => unknown) | undefined)?.(text);
    expect(read("concurrency", "3")).to.equal(3);
    expect(read("concurrency", "many")).to.equal("many");
    expect(read("models", "a, b*")).to.deep.equal(["a", "b*"]);
    expect(read("mayWebhook", "any")).to.equal("any");
    expect(read("mayWebhook", "orders,hooks")).to.deep.equal(["orders", "hooks"]);
    expect(read("budget", "50/month")).to.deep.equal({ usd: 50, per: "month" });
    expect(read("budget", "2.5/day, x/total")).to.deep.equal([
      { usd: 2.5, per: "day" },
      { usd: "x", per: "total" },
    ]);
    expect(read("expires", "2031-06-30")).to.equal("2031-06-30");
    const days = (Date.parse(String(read("expires", "30d"))) - Date.now()) / 86_400_000;
    expect(days).to.be.closeTo(30, 0.01);
    expect(String(read("expires", "12h"))).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(flags.mayPin?.flags).to.equal("--may-pin");
    expect(keyOptionsOf({ mayPin: true, imagesPerMinute: 6, json: true, url: "x" })).to.deep.equal({ images_per_minute: 6, may_pin: true });
  });
});
