// Makes the pipelines of a model's operations from the steps that its channel lists.
import { messageOf } from "../errors.ts";
import type { Path } from "../expression/rendering.ts";
import type { Middleware } from "../plugin/context.ts";
import type { Plugin } from "../plugin/define.ts";
import type { OperationName } from "../schema/models.ts";

/** The steps of an operation, outermost first, and the fields of the request that they deal with. */
interface Pipeline {
  steps: readonly Middleware[];
  handled: readonly string[];
}

export type PipelineOf = (operation: OperationName) => Pipeline;

interface Step {
  name: string;
  operation?: unknown;
  /** Checked, with defaults filled in. */
  options: unknown;
  /** Its place in the file's list. */
  index: number;
}

/**
 * The pipelines of `list`, the `plugins` of a model. The format that a client asked for holds on every channel, so the plugin for it need
 * not be named. Mistakes go to `report`.
 */
export function compilePipelines(
  list: readonly Record<string, unknown>[] = [],
  plugins: ReadonlyMap<string, Plugin>,
  report: (path: Path, message: string) => void,
): PipelineOf {
  const written = list.flatMap((item, index) => Object.entries(item).map(([name, options]) => stepOf(name, options, index)));
  const usual: Step[] = plugins.has("response-format") ? [{ name: "response-format", options: {}, index: 0 }] : [];
  const made = new Map([...usual, ...written].map((step) => [step, instantiate(step, plugins, report)]));
  const pipelineOf = (operation: OperationName): Pipeline => {
    const own = written.filter((step) => step.operation === undefined || step.operation === operation);
    const steps = own.some(({ name }) => name === "response-format") ? own : [...usual, ...own];
    return {
      steps: steps.flatMap((step) => made.get(step) ?? []),
      handled: steps.flatMap(({ name }) => plugins.get(name)?.handles ?? []),
    };
  };
  const pipelines = { generate: pipelineOf("generate"), edit: pipelineOf("edit") };
  return (operation) => pipelines[operation];
}

function stepOf(name: string, written: unknown, index: number): Step {
  const { operation, ...options } = written as Record<string, unknown>;
  return { name, operation, options, index };
}

function instantiate(
  { name, options, index }: Step,
  plugins: ReadonlyMap<string, Plugin>,
  report: (path: Path, message: string) => void,
): Middleware[] {
  try {
    // Each model has options of its own, so that no plugin can change another's.
    const step: unknown = plugins.get(name)?.create(structuredClone(options));
    if (typeof step === "function") return [step as Middleware];
    // A promise from here is never awaited, and its failure would end the process.
    if (step instanceof Promise) step.catch(() => undefined);
    if (step !== undefined)
      report(
        ["plugins", index, name],
        `create gave ${step instanceof Promise ? "a promise" : "something else"}; it must give the step, a function`,
      );
    return [];
  } catch (error) {
    report(["plugins", index, name], messageOf(error));
    return [];
  }
}
