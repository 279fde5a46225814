import { cp, readdir } from "node:fs/promises";
import { expect } from "chai";
import { loadPlugins, shippedPlugins } from "../src/plugin/load.ts";
import { runChannelTests } from "../src/testing/run.ts";
import { channelFolder } from "./helpers/channels.ts";

// The files of test/cases are channels with tests, laid over the shipped models and presets.
const cases = await channelFolder({});
await cp("test/cases", cases.folder, { recursive: true });
const plugins = await loadPlugins([shippedPlugins]);

for (const [about, folder] of Object.entries({ "the cases": cases.folder, "the shipped channels": "channels" })) {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).map((name) => name.replace(".yaml", ""));
  const outcomes = await runChannelTests(folder, plugins);

  describe(about, () => {
    for (const { channel, name, failures } of outcomes) it(`${channel}: ${name}`, () => expect(failures).to.deep.equal([]));

    it("has a test in every file", () => {
      expect([...new Set(outcomes.map(({ channel }) => channel))].sort()).to.deep.equal(files.sort());
    });
  });
}
await cases.remove();
