// Tests what is in force, and its reloads, where something beside them fails.
import { join } from "node:path";
import { expect } from "chai";
import { serve } from "../../src/process/serve.ts";
import { channelsWith, inFolder } from "./serve-process.ts";

describe("what is in force", () => {
  it("goes on reloading after a reload that could not be reported", () =>
    inFolder(async (_, folder) => {
      const channels = await channelsWith(folder, {
        "acme.yaml": "extends: openai-images\nbase_url: https://acme.example\nmodels: { demo: {} }\n",
      });
      let kept = 0;
      // The start, and the second reload, are kept.
      const keep = () => {
        if ((kept += 1) === 2) throw new Error("no place to keep it");
      };
      const all = { PORT: "0", LOG_LEVEL: "silent", PICTOR_API_KEYS: "sk-one", PICTOR_DATA: join(folder, "data"), ...channels };
      const serving = await serve(all, () => undefined, { keep });
      try {
        expect(await serving.reload()).to.include({ ok: true });
        expect(await serving.reload()).to.include({ ok: true });
        expect(kept).to.equal(3);
      } finally {
        await serving.close();
      }
    }));
});
