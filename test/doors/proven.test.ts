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
});
