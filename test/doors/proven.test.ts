import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { shipped } from "../../src/channels/proven.ts";
import { textsOf } from "../../src/channels/texts.ts";
import { loadDoors } from "../../src/door/load.ts";

const files = readdirSync("channels/doors").map((name) => [`doors/${name}`, readFileSync(`channels/doors/${name}`, "utf8")] as const);

/** Load the doors that ship, with other texts in the place of some or beside them; `proven` or judged. */
async function load(changes: Record<string, string>, proven: boolean) {
  const texts = new Map(Object.entries({ ...Object.fromEntries(files), ...changes }).map(([name, text]) => [name, Buffer.from(text)]));
  return loadDoors({ folder: textsOf(texts), ...(proven && { proven: shipped() }) });
}

const shownOf = ({ doors, problems, broken }: Awaited<ReturnType<typeof load>>) =>
  JSON.stringify({ doors: doors.map(({ door, located, isOpen, text }) => [door, located.value, isOpen, String(text)]), problems, broken });

describe("proven doors", () => {
  it("are all that ship, and load as if they were judged", async () => {
    expect(Object.keys(shipped().doors)).to.have.members(files.map(([name]) => name));
    expect(shownOf(await load({}, true))).to.equal(shownOf(await load({}, false)));
  });

  const [name, text] = files[0]!;
  const changes = {
    "its file has changed": { [name]: `${text}\nsurprise: 1\n` },
    "another has its paths": { "doors/zz.yaml": text, "doors/aa.yaml": text },
  };
  for (const [what, change] of Object.entries(changes))
    it(`say the same where ${what}`, async () => {
      const proven = await load(change, true);
      expect(proven.problems).to.not.be.empty;
      expect(shownOf(proven)).to.equal(shownOf(await load(change, false)));
    });

  it("are not made again where their files say the same", async () => {
    const own = { "doors/own.yaml": "description: x\nroutes: { GET /page: { page: 1 } }\n" };
    const { doors } = await load(own, true);
    const before = new Map(doors.map((one) => [one.door.name, one]));
    const folder = (more: Record<string, string>) =>
      textsOf(new Map(Object.entries({ ...Object.fromEntries(files), ...more }).map(([path, text]) => [path, Buffer.from(text)])));
    const again = async (more: Record<string, string>) => {
      const loaded = await loadDoors({ folder: folder(more), proven: shipped(), before });
      return { wrong: loaded.problems.length, made: loaded.doors.filter((one) => !doors.includes(one)).map(({ door }) => door.name) };
    };
    expect(await again(own)).to.deep.equal({ wrong: 0, made: [] });
    expect(await again({ "doors/own.yaml": own["doors/own.yaml"].replace("1", "2") })).to.deep.equal({ wrong: 0, made: ["own"] });
    expect(await again({ "doors/own.yml": own["doors/own.yaml"] })).to.deep.equal({ wrong: 0, made: ["own"] });
    expect(await again({ ...own, "doors/zz.yaml": own["doors/own.yaml"] })).to.deep.equal({ wrong: 1, made: [] });
  });
});
