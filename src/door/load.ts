// Loads door files: checks and compiles them.
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { readFolder, testsOf, type ReadFile } from "../channels/files.ts";
import { complain } from "../channels/complaint.ts";
import { createProblems, sourceOf, type Located, type Problems } from "../channels/problems.ts";
import { createProof, type Proof, type Proven } from "../channels/proven.ts";
import { recorded, textsOfFolder, type Texts } from "../channels/texts.ts";
import type { Problem } from "../errors.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { validatorOf } from "../schema/written.ts";
import { compileDoor, type Door, type DoorRoute } from "./compile.ts";
import { compileDoorTests, judgedDoorTests, type RenderDoorTests } from "./tests.ts";
import type { PathPattern } from "./path.ts";
import { doorFile, type WrittenDoor } from "./grammar.ts";

interface LoadOptions {
  /** Also reads the tests in the folder `tests/doors`. */
  withTests?: boolean;
  /** The folder of the channels, as a path or as texts; its subfolder `doors` holds the doors. */
  folder: string | Texts;
  /** The doors that the build has found valid; they are not checked again. */
  proven?: Proven;
  /** The doors of an earlier load, by name. A door whose file is unchanged is taken over. */
  before?: ReadonlyMap<string, LoadedDoor>;
  /** True for a path that the gateway itself serves. */
  isTaken?: (path: PathPattern) => boolean;
}

/** A door with the text that it was compiled from. */
export interface LoadedDoor {
  door: Door;
  file: string;
  located: Located<WrittenDoor>;
  /** False if the file says `enabled: false`. */
  isOpen: boolean;
  text: Buffer;
  tests: RenderDoorTests;
}

/** The valid doors of a folder, and all problems. */
export interface LoadedDoors {
  doors: LoadedDoor[];
  problems: readonly Problem[];
  /** The names of the doors that are left out because of a problem. */
  broken: readonly string[];
}

const validator = lazily(() => validatorOf<WrittenDoor>(doorFile()));

/** Loads the doors of a folder. A door with any problem is left out. */
export async function loadDoors(options: LoadOptions): Promise<LoadedDoors> {
  const { folder, isTaken = () => false, withTests = false, proven, before = new Map<string, LoadedDoor>() } = options;
  const problems = createProblems();
  const read = new Map<string, Buffer>();
  const texts = textsOfFolder(folder);
  const reading = { texts: recorded(texts, read), problems };
  const proof = proven && createProof(proven, texts);
  const isProven = (name: string, text: Buffer) =>
    proof?.holdsOf(name, text) === true || [...before.values()].some((one) => one.file === texts.shown(name) && one.text.equals(text));
  const files = await readFolder("doors", /\.ya?ml$/, { ...reading, isProven });
  const tests = withTests ? await readFolder("tests/doors", /\.ya?ml$/, reading) : new Map<string, ReadFile>();
  for (const { name, file } of tests.values())
    if (!files.has(name))
      problems.addAt(sourceOf(file, ""), 0, `there is no door ${name} for these tests (${didYouMean(name, [...files.keys()])})`);
  const broken: string[] = [];
  const doors: LoadedDoor[] = [];
  for (const file of files.values()) {
    const own = createProblems(problems);
    const known = before.get(file.name);
    const isKnown = known?.file === file.file && read.get(`doors/${basename(file.file)}`)?.equals(known.text) === true;
    // Between two doors waiting requests get their turn.
    if (!isKnown) await setImmediate();
    const loaded = isKnown ? known : loadDoor(file, testsOf(file, tests.get(file.name))?.located, { problems: own, read, proof });
    if (loaded?.isOpen) judgeAddresses(loaded, doors, { isTaken, problems: own });
    if (loaded && own.list().length === 0) doors.push(loaded);
    else broken.push(file.name);
  }
  return { doors, problems: problems.list(), broken };
}

function loadDoor(
  file: ReadFile,
  tests: Located | undefined,
  { problems, read, proof }: { problems: Problems; read: ReadonlyMap<string, Buffer>; proof?: Proof },
): LoadedDoor | undefined {
  const name = `doors/${basename(file.file)}`;
  const located = provenDoor(file, proof?.door(name)) ?? judgedDoor(file, problems);
  return (
    located && {
      door: Object.freeze(compileDoor(file.name, located, problems)),
      file: file.file,
      located,
      isOpen: located.value.enabled !== false,
      text: read.get(name) ?? Buffer.alloc(0),
      tests: compileDoorTests([located, ...(tests ? judgedDoorTests(tests, problems) : [])], problems),
    }
  );
}

/** A door whose parsed value is known. The file is parsed only when a place in it is needed. */
function provenDoor(file: ReadFile, value: unknown): Located<WrittenDoor> | undefined {
  if (value === undefined) return undefined;
  return {
    value: value as WrittenDoor,
    get places() {
      return (file.located as Located).places;
    },
  };
}

function judgedDoor({ located }: ReadFile, problems: Problems): Located<WrittenDoor> | undefined {
  if (!located) return undefined;
  const validate = validator();
  const { value, places }: Located<unknown> = located;
  if (validate(value)) return { value, places };
  complain(located, validate.errors ?? [], problems, { whole: "door", isSecret: () => false });
  return undefined;
}

/** Reports each route of a door whose address is already served by the gateway itself, another door or another route of the door. */
function judgeAddresses(
  { door, located }: LoadedDoor,
  before: readonly LoadedDoor[],
  { isTaken, problems }: { isTaken: NonNullable<LoadOptions["isTaken"]>; problems: Problems },
): void {
  const others = before
    .filter(({ isOpen }) => isOpen)
    .flatMap((other) => other.door.routes.map((route) => ({ route, name: `the door ${other.door.name}` })));
  const own: typeof others = [];
  for (const route of door.routes) {
    const { method, path } = route;
    const taken = isTaken(path) ? { name: "the gateway itself" } : [...others, ...own].find((other) => meet(route, other.route));
    const address = `${method} ${path.written}`;
    if (taken) problems.add(located, ["routes", address], `routes: ${address} is served by ${taken.name} already`, { at: "key" });
    own.push({ route, name: "another route of this door" });
  }
}

/** True if one request could match both routes. */
function meet(one: DoorRoute, other: DoorRoute): boolean {
  if (one.method !== other.method) return false;
  const values = new Map(other.path.query);
  if (one.path.query.some(([name, value]) => values.has(name) && values.get(name) !== value)) return false;
  return one.path.parametersOf(other.path.example) !== undefined || other.path.parametersOf(one.path.example) !== undefined;
}
