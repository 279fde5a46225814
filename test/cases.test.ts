// Runs the tests of test/cases and of the channels that ship, each as a test of its own.
import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { openTestBench } from "../src/testing/run.ts";
import { channelFolder, plugins } from "./helpers/channels.ts";

/** The names of the tests of a channel, in the order in which they are written. */
async function namesIn(folder: string, channel: string): Promise<string[]> {
  const files = [`${channel}.yaml`, join("tests", `${channel}.yaml`)].map((name) => readFile(join(folder, name), "utf8").catch(() => ""));
  // Parsing all of the files would take as long as running them.
  return (await Promise.all(files)).flatMap((text) => [...text.matchAll(/^ {2}- name: (.*)$/gm)].map(([, name]) => String(parse(name!))));
}

async function describeTests(about: string, folder: string, prepare: () => Promise<{ folder: string; remove: () => Promise<void> }>) {
  const channels = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).map((name) => name.replace(".yaml", ""));
  const names = new Map(await Promise.all(channels.sort().map(async (name) => [name, await namesIn(folder, name)] as const)));

  describe(about, () => {
    let laid: Awaited<ReturnType<typeof prepare>>;
    let bench: Awaited<ReturnType<typeof openTestBench>>;
    const testsOf = (channel: string) => bench.tests.filter((test) => test.channel === channel);
    before(async () => {
      laid = await prepare();
      bench = await openTestBench(laid.folder, plugins);
    });
    after(async () => {
      await bench.close();
      await laid.remove();
    });

    for (const [channel, written] of names) {
      for (const [index, name] of written.entries())
        it(`${channel}: ${name}`, async () => expect(await testsOf(channel)[index]!.run()).to.deep.equal([]));

      it(`${channel} has tests, and they are those above`, () => {
        expect(testsOf(channel).map(({ name }) => name)).to.deep.equal(written).and.not.to.be.empty;
      });
    }
  });
}

// The files of test/cases are channels with tests, laid over the shipped models and presets.
await describeTests("the cases", "test/cases", async () => {
  const laid = await channelFolder({});
  await cp("test/cases", laid.folder, { recursive: true });
  return laid;
});
await describeTests("the shipped channels", "channels", () => Promise.resolve({ folder: "channels", remove: () => Promise.resolve() }));
