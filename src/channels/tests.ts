// The tests of a channel: in its own file, and in the file of the same name in the folder `tests`.
import { testNames } from "../expression/names.ts";
import { compileTemplate } from "../expression/template.ts";
import { didYouMean } from "../schema/suggest.ts";
import { lazily } from "../schema/lazily.ts";
import { validatorOf } from "../schema/written.ts";
import { complain } from "./complaint.ts";
import { lineOf, type Located, type Problems } from "./problems.ts";
import type { Channel } from "./route.ts";
import type { Environment } from "./settings.ts";
import { testsFile, type WrittenTest } from "./test-grammar.ts";

/** A test with its place. */
export interface PlacedTest {
  test: WrittenTest;
  file: string;
  /** The line on which it begins. */
  line: number;
}

/** A file with tests in it. */
interface Tested {
  tests?: WrittenTest[];
}

/** Gives the tests as written, with `${base_url}` and the like put in. */
export type RenderTests = (variables: { base_url: string; env: Environment }) => PlacedTest[];

/** Compile a channel's tests, which are rendered each time that they run. Mistakes go to `problems`. */
export function compileTests(files: readonly Located<Tested>[], channel: Channel, problems: Problems): RenderTests {
  const suites = files.map((located) => compileSuite(located, channel, problems));
  return (variables) => suites.flatMap((render) => render(variables));
}

const validate = lazily(() => validatorOf<Tested>(testsFile));

/** The tests of a file of its own, if it is in order; mistakes go to `problems`. */
export function judgedTests(located: Located, problems: Problems): Located<Tested>[] {
  const { value, places }: Located<unknown> = located;
  if (validate()(value)) return [{ value, places }];
  complain(located, validate().errors ?? [], problems);
  return [];
}

function compileSuite(located: Located<Tested>, channel: Channel, problems: Problems): RenderTests {
  const { tests = [] } = located.value;
  for (const [index, test] of tests.entries()) judge(test, index, { located, channel, problems });
  const template = compileTemplate(tests, ["tests"], {
    names: testNames,
    plainNull: true,
    report: (path, message, offset) => problems.add(located, path, `tests: ${message}`, { offset }),
  });
  return (variables) => {
    const rendered = template({ variables: { ...variables }, used: new Set(), mapped: () => undefined }) as WrittenTest[];
    return rendered.map((test, index) => ({ test, ...lineOf(located, ["tests", index]) }));
  };
}

function judge(
  { edit, request = edit ?? {}, exchange = [], answer }: WrittenTest,
  index: number,
  { located, channel, problems }: { located: Located<Tested>; channel: Channel; problems: Problems },
): void {
  const hangsUp = exchange.some(({ reply }) => reply.hang_up);
  if (hangsUp === (answer !== undefined))
    problems.add(
      located,
      ["tests", index],
      `tests: ${hangsUp ? "a client that hangs up gets no answer; take it out" : "answer is missing"}`,
    );
  if (typeof request.model === "string" && !channel.models.includes(request.model))
    problems.add(
      located,
      ["tests", index, edit ? "edit" : "request", "model"],
      `tests: ${request.model} is not a model of this channel (${didYouMean(request.model, channel.models)})`,
    );
}
