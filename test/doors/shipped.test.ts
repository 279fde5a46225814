import { readdir, readFile } from "node:fs/promises";
import { expect } from "chai";
import { parse } from "yaml";
import { openDoorBench } from "../../src/testing/doors.ts";
import { plugins } from "../helpers/channels.ts";

const doors = (await readdir("channels/doors")).map((file) => file.replace(".yaml", ""));
const names = new Map(
  await Promise.all(
    doors.map(async (door) => {
      const text = await readFile(`channels/tests/doors/${door}.yaml`, "utf8");
      return [door, [...text.matchAll(/^ {2}- name: (.*)$/gm)].map(([, name]) => String(parse(name!)))] as const;
    }),
  ),
);

describe("the doors that ship", () => {
  let bench: Awaited<ReturnType<typeof openDoorBench>>;
  const testsOf = (door: string) => bench.tests.filter(({ channel }) => channel === `doors/${door}`);
  before(async () => {
    bench = await openDoorBench("channels", plugins);
  });
  after(() => bench.close());

  for (const [door, written] of names) {
    for (const [index, name] of written.entries())
      it(`${door}: ${name}`, async () => expect(await testsOf(door)[index]!.run()).to.deep.equal([]));

    it(`${door} has tests, and they are those above`, () => {
      expect(testsOf(door).map(({ name }) => name)).to.deep.equal(written).and.not.to.be.empty;
    });
  }
});
