// Loads door files: checked, compiled, immutable.
import { basename } from "node:path";
import { readFolder, type ReadFile } from "../channels/files.ts";
import { complain } from "../channels/complaint.ts";
import { createProblems, type Located, type Problems } from "../channels/problems.ts";
import { recorded, textsIn, type Texts } from "../channels/texts.ts";
import type { Problem } from "../errors.ts";
import { createAjv } from "../schema/ajv.ts";
import { once } from "../schema/once.ts";
import { compileDoor, type Door, type DoorRoute } from "./compile.ts";
import type { PathPattern } from "./path.ts";
import { doorSchema, type WrittenDoor } from "./grammar.ts";

interface LoadOptions {
  /** The folder of the channels; doors lie in `doors` below it. */
  folder: string;
  /** The source of the files' texts; the folder itself when omitted. */
  texts?: Texts;
  /** True for a path at which the gateway itself serves something. */
  isTaken?: (path: PathPattern) => boolean;
}

/** A door with the text it was made of. */
export interface LoadedDoor {
  door: Door;
  located: Located<WrittenDoor>;
  /** False where it is closed. */
  isOpen: boolean;
  text: Buffer;
}

/** The doors of a folder that are right, with all that is wrong. */
export interface LoadedDoors {
  doors: LoadedDoor[];
  problems: readonly Problem[];
  /** The doors that are not there because they are wrong. */
  broken: readonly string[];
}

let validator: ReturnType<typeof compileSchema> | undefined;

function compileSchema() {
  return createAjv({ allErrors: true, useDefaults: true }).compile<WrittenDoor>(once(doorSchema));
}

/** Load the doors of a folder. A door is right as a whole, or not there. */
export async function loadDoors({ folder, texts = textsIn(folder), isTaken = () => false }: LoadOptions): Promise<LoadedDoors> {
  const problems = createProblems();
  const read = new Map<string, Buffer>();
  const files = await readFolder("doors", /\.ya?ml$/, { folder, texts: recorded(texts, read), problems });
  const broken: string[] = [];
  const doors: LoadedDoor[] = [];
  for (const file of files.values()) {
    const own = createProblems(problems);
    const loaded = loadDoor(file, own, read);
    if (loaded && loaded.isOpen) judgeAddresses(loaded, doors, { isTaken, problems: own });
    if (loaded && own.list().length === 0) doors.push(loaded);
    else broken.push(file.name);
  }
  return { doors, problems: problems.list(), broken };
}

function loadDoor({ name, file, located }: ReadFile, problems: Problems, read: ReadonlyMap<string, Buffer>): LoadedDoor | undefined {
  if (!located) return undefined;
  validator ??= compileSchema();
  const { value, places }: Located<unknown> = located;
  if (!validator(value)) {
    complain(located, validator.errors ?? [], problems, { whole: "door", isSecret: () => false });
    return undefined;
  }
  const written: Located<WrittenDoor> = { value, places };
  return {
    door: Object.freeze(compileDoor(name, written, problems)),
    located: written,
    isOpen: value.enabled !== false,
    text: read.get(`doors/${basename(file)}`) ?? Buffer.alloc(0),
  };
}

/** Report the routes of a door whose addresses the gateway itself, another door or another route of it serves. */
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

/** True where one request could be meant for both. */
function meet(one: DoorRoute, other: DoorRoute): boolean {
  if (one.method !== other.method) return false;
  return one.path.parametersOf(other.path.example) !== undefined || other.path.parametersOf(one.path.example) !== undefined;
}
