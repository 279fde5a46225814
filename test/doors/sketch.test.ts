import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { parse } from "yaml";
import { openDoorBench } from "../../src/testing/doors.ts";
import { channelFolder, plugins } from "../helpers/channels.ts";

const text = await readFile("test/doors/sketch.yaml", "utf8");
const { tests } = parse(text) as { tests: { name: string }[] };

describe("a door that was made up", () => {
  let bench: Awaited<ReturnType<typeof openDoorBench>>;
  let remove: () => Promise<void>;
  before(async () => {
    const laid = await channelFolder({ "doors/sketch.yaml": text });
    remove = laid.remove;
    bench = await openDoorBench(laid.folder, plugins);
  });
  after(async () => {
    await bench.close();
    await remove();
  });

  for (const [index, { name }] of tests.entries()) it(name, async () => expect(await bench.tests[index]!.run()).to.deep.equal([]));
});
