// Tests what is in force, and its reloads, where something beside them happens or fails.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { serve } from "../../src/process/serve.ts";
import { lookEvery } from "../../src/process/watch.ts";
import { metric } from "../http/setup.ts";
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

  it("is made once of an edit that was put in force before it was noticed, also where it is wrong", () =>
    inFolder(async (_, folder) => {
      const acme = "extends: openai-images\nbase_url: https://acme.example\nmodels: { demo: {} }\n";
      const channels = await channelsWith(folder, { "acme.yaml": acme });
      const all = {
        PORT: "0",
        LOG_LEVEL: "silent",
        PICTOR_API_KEYS: "sk-one",
        PICTOR_ADMIN_KEY: "sk-operator",
        PICTOR_DATA: join(folder, "data"),
      };
      const { url, reload, close } = await serve({ ...all, ...channels }, () => undefined);
      try {
        await writeFile(join(folder, "channels", "acme.yaml"), `${acme}enabled: false\n`);
        expect(await reload()).to.include({ ok: true });
        await writeFile(join(folder, "gateway.yaml"), "kyes: []\n");
        expect(await reload()).to.include({ ok: false });
        // By the third look the files have been still for one.
        await delay(3 * lookEvery);
        expect(await metric(url, 'pictor_reloads_total{outcome="ok"}')).to.equal(1);
        expect(await metric(url, 'pictor_reloads_total{outcome="failed"}')).to.equal(1);
      } finally {
        await close();
      }
    }));
});
