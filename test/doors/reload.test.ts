import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { serve } from "../../src/process/serve.ts";
import { until } from "../http/setup.ts";
import { channelsWith, inFolder } from "../process/serve-process.ts";

const acme = "extends: openai-images\nbase_url: https://acme.example\nmodels: { demo: {} }\n";
const door = (page: string) => `description: x\nroutes: { GET /page: { page: ${page} } }\n`;
const tested = (page: string) =>
  `${door(page)}tests: [{ name: it is two, client: { get: /page }, models: { demo: demo }, answer: { status: 200, json: 2 } }]\n`;

describe("a reload of doors", () => {
  it("puts one in force as its file changes, and keeps it while it is broken or fails its own tests", () =>
    inFolder(async (_, folder) => {
      const channels = await channelsWith(folder, { "acme.yaml": acme });
      await mkdir(join(channels.PICTOR_CHANNELS, "doors"));
      const write = (text: string) => writeFile(join(channels.PICTOR_CHANNELS, "doors/x.yaml"), text);
      await write(door("1"));
      const env = { PORT: "0", LOG_LEVEL: "silent", PICTOR_API_KEYS: "sk-one", PICTOR_DATA: join(folder, "data"), ...channels };
      const serving = await serve(env, () => undefined);
      const page = async () => (await fetch(`${serving.url}/page`, { headers: { authorization: "Bearer sk-one" } })).text();
      try {
        expect(await page()).to.equal("1");
        await write(tested("2"));
        await until(async () => (await page()) === "2", "the door is new");
        for (const [text, problem] of [
          [door('"${nothing}"'), /unknown name nothing/],
          [tested("3"), /test "it is two"/],
        ] as const) {
          await write(text);
          const { ok, problems } = await serving.reload();
          expect(ok).to.equal(false);
          expect(problems.join("\n")).to.match(problem);
          expect(await page()).to.equal("2");
        }
        const testsFile = join(channels.PICTOR_CHANNELS, "tests/doors/x.yaml");
        await mkdir(dirname(testsFile), { recursive: true });
        await write(door("2"));
        const tests = tested("3")
          .replace(/^(?!tests).*\n/gm, "")
          .replace("json: 2", "json: 9");
        for (const [text, problem] of [
          [tests, /x\.yaml:1:\d+: test "it is two".*is 2/],
          // Nothing has changed since, and it is wrong all the same.
          [tests, /test "it is two"/],
          ["tests: 5\n", /tests\/doors\/x\.yaml:1:\d+: .*tests/],
        ] as const) {
          await writeFile(testsFile, text);
          const { ok, problems } = await serving.reload();
          expect(ok, text).to.equal(false);
          expect(problems.join("\n")).to.match(problem);
          expect((await serving.reload()).ok, text).to.equal(false);
          expect(await page()).to.equal("2");
        }
        await rm(testsFile);
        expect((await serving.reload()).ok).to.equal(true);
        await write(door("4"));
        expect((await serving.reload()).ok).to.equal(true);
        expect(await page()).to.equal("4");
      } finally {
        await serving.close();
      }
    }));
});
