import { expect } from "chai";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useEnvFile, withEnvFile } from "../../src/process/env-file.ts";
import { inFolder, urlOf } from "./serve-process.ts";
import { setTimeout as delay } from "node:timers/promises";

describe("the file .env", () => {
  it("gives what the environment does not set, and is read anew", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-env-"));
    const file = join(folder, ".env");
    try {
      const env: Record<string, string | undefined> = { A: "1", EMPTY: "" };
      const refresh = useEnvFile(env, file);
      expect(env).to.deep.equal({ A: "1", EMPTY: "" });
      await writeFile(file, "A=2\nB='x y' # why\nEMPTY=3\nC=\"two\nlines\"\n");
      expect(withEnvFile(env, file)).to.deep.equal({ A: "1", EMPTY: "", B: "x y", C: "two\nlines" });
      refresh();
      expect(env).to.deep.equal({ A: "1", EMPTY: "", B: "x y", C: "two\nlines" });
      await writeFile(file, "B=y\n");
      refresh();
      expect(env).to.deep.equal({ A: "1", EMPTY: "", B: "y" });
      expect(() => withEnvFile(env, folder)).to.throw(`${folder} cannot be read: EISDIR`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is read by pictor without a command, which serves, and again when it changes", async () => {
    await inFolder(async (start, folder) => {
      await writeFile(join(folder, ".env"), "PICTOR_API_KEYS=from-the-file\nPORT=1\n");
      const env = {
        PICTOR_CHANNELS_JSON: JSON.stringify({
          acme: {
            base_url: "http://127.0.0.1:9",
            keys: ["${env.ACME_KEY}"],
            extends: "openai-images",
            models: { acme: { schema: "demo" } },
          },
        }),
        NO_PROXY: "*",
      };
      const url = await urlOf(start(env, []));
      const models = async () => {
        const answer = await fetch(`${url}/v1/models`, { headers: { authorization: "Bearer from-the-file" } });
        const { data } = (await answer.json()) as { data: { id: string }[] };
        return data.map(({ id }) => id);
      };
      expect(await models()).to.deep.equal(["demo"]);
      await writeFile(join(folder, ".env"), "PICTOR_API_KEYS=from-the-file\nPORT=1\nACME_KEY=k\n");
      for (let tries = 0; tries < 200 && (await models())[0] !== "acme"; tries += 1) await delay(50);
      expect(await models()).to.deep.equal(["acme"]);
    });
  });
});
