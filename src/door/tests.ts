// Reads the tests of a door, from its own file and from the file of the same name in the folder `tests/doors`.
import { complain } from "../channels/complaint.ts";
import { lineOf, type Located, type Problems } from "../channels/problems.ts";
import { compileTemplate } from "../expression/template.ts";
import { lazily } from "../schema/lazily.ts";
import { validatorOf } from "../schema/written.ts";
import { doorTestNames } from "./names.ts";
import { doorTestsFile, type DoorTest } from "./test-grammar.ts";

/** A test with its place. */
export interface PlacedDoorTest {
  test: DoorTest;
  file: string;
  /** The line on which it begins. */
  line: number;
}

/** Renders the tests: fills in `${key}` and other expressions. */
export type RenderDoorTests = (variables: { key: string }) => PlacedDoorTest[];

/** A file with tests in it. */
export interface DoorTested {
  tests?: DoorTest[];
}

const validator = lazily(() => validatorOf<DoorTested>(doorTestsFile));

/** The tests of a file that holds nothing else, if it is valid. Mistakes are added to `problems`. */
export function judgedDoorTests(located: Located, problems: Problems): Located<DoorTested>[] {
  const { value, places }: Located<unknown> = located;
  const validate = validator();
  if (validate(value)) return [{ value, places }];
  complain(located, validate.errors ?? [], problems, { whole: "tests", isSecret: () => false });
  return [];
}

/** Compiles a door's tests, which are rendered for each run. Mistakes are added to `problems`. */
export function compileDoorTests(files: readonly Located<DoorTested>[], problems: Problems): RenderDoorTests {
  const suites = files.map((located) => {
    const { tests = [] } = located.value;
    const template = compileTemplate(tests, ["tests"], {
      names: doorTestNames,
      plainNull: true,
      report: (path, message, offset) => problems.add(located, path, `tests: ${message}`, { offset }),
    });
    return (variables: { key: string }) => {
      const rendered = template({ variables: { ...variables }, used: new Set(), mapped: () => undefined }) as DoorTest[];
      return rendered.map((test, index) => ({ test, ...lineOf(located, ["tests", index]) }));
    };
  });
  return (variables) => suites.flatMap((render) => render(variables));
}
