import { expect } from "chai";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channelsWith, inFolder, urlOf } from "./serve-process.ts";
import { comesAndGoes } from "./run-time-keys.ts";

describe("pictor serve with keys at run time", function () {
  this.timeout(60_000);
  it("takes a key in every process at once, and refuses it in every one soon after its end", () => comesAndGoes());

  it("makes no key of its own where gateway.yaml says keys: []", () =>
    inFolder(async (start, folder) => {
      await writeFile(join(folder, "gateway.yaml"), "keys: []\n");
      const env = { ...(await channelsWith(folder)), PICTOR_CONFIG: "gateway.yaml", PICTOR_ADMIN_KEY: "sk-operator" };
      const gateway = start(env, ["serve", "--workers", "0"]);
      const url = await urlOf(gateway);
      expect(gateway.said()).to.include("pictor keys add").and.not.include("this key was made for you");
      const answer = await fetch(`${url}/admin/keys`, { headers: { authorization: "Bearer sk-operator" } });
      expect(await answer.json()).to.deep.equal({ object: "list", data: [] });
    }));
});
