// The tests that a channel file has of its own channel.
import { testNames } from "../expression/names.ts";
import { compileTemplate } from "../expression/template.ts";
import { didYouMean } from "../schema/suggest.ts";
import type { Located, Problems } from "./problems.ts";
import type { Channel } from "./route.ts";
import type { Environment } from "./settings.ts";

/** Gives the tests as written, with `${base_url}` and the like put in. */
export type RenderTests = (variables: { base_url: string; env: Environment }) => unknown[];

interface WrittenTest {
  request?: { model?: unknown };
  edit?: { model?: unknown };
  exchange?: { reply: { hang_up?: boolean } }[];
  answer?: unknown;
}

/** Compile a channel's tests, which are rendered each time that they run. Mistakes go to `problems`. */
export function compileTests(located: Located, channel: Channel, problems: Problems): RenderTests {
  const tests = (located.value.tests ?? []) as WrittenTest[];
  for (const [index, { edit, request = edit ?? {}, exchange = [], answer }] of tests.entries()) {
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
  const template = compileTemplate(tests, ["tests"], {
    names: testNames,
    report: (path, message, offset) => problems.add(located, path, `tests: ${message}`, { offset }),
  });
  return (variables) => template({ variables: { ...variables }, used: new Set(), mapped: () => undefined }) as unknown[];
}
