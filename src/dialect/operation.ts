// Compiles an operation of a channel for one model: the calls before the submission, the submission, and what follows it.
import type { Names, Place } from "../expression/names.ts";
import type { Path, Report, TemplateOptions } from "../expression/rendering.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed } from "../schema/parts.ts";
import { beforeSchema, callBefore, compileBefore } from "./before.ts";
import { callSchema, compileCall, compileOver, fieldOf } from "./call.ts";
import type { CallContext } from "./context.ts";
import { compileRule, tellingFields, type RuleSpec } from "./failure.ts";
import { rehearse, type Rehearsal } from "./rehearse.ts";
import { compileSubmission, submissionSchema, type Prepared, type Submission } from "./submission.ts";

export const operationSchema = closed({
  before: {
    type: "object",
    additionalProperties: { ...beforeSchema, description: "One call." },
    description: "Calls made before the submission, by name: `${before.upload.id}`, with `each` `${before.upload[0].id}`.",
  },
  request: { ...callSchema, description: "The submission." },
  ...submissionSchema.properties,
});

/** An operation as a channel writes it; parts of it may be missing. */
export type PartialOperation = FromSchema<typeof operationSchema>;
/** An operation with all its required parts. */
export type OperationSpec = PartialOperation & Required<Pick<PartialOperation, "request" | "result">>;

/** A channel's operation for one model, compiled. */
export interface Operation extends Submission {
  /** The fields of the request that its calls can send; undefined if they send the whole request. */
  fields: ReadonlySet<string> | undefined;
  /** True if the provider can be asked for a stream. */
  streams: boolean;
  /** Makes the calls before the submission; resolves with the bodies of their answers by name. */
  begin(context: CallContext): Promise<Record<string, unknown>>;
  /** Renders the calls before and after the submission without sending them. Placeholders replace the values of answers. */
  rehearse(context: CallContext): Promise<Rehearsal>;
  /** Renders the submission. Throws a 400 if a value cannot be sent. */
  render(context: CallContext, before: Record<string, unknown>): Promise<Prepared>;
}

/** Everything that an operation is compiled from. */
export interface OperationSource {
  spec: OperationSpec;
  /** The channel's `errors`. */
  rules: readonly RuleSpec[];
  /** The path of the operation in the channel's file. */
  path: Path;
  /** The names that templates may use, by the place of the template. */
  names: Record<Place, Names>;
  report: Report;
  readDocument?: TemplateOptions["readDocument"];
}

/** Compiles an operation of a channel for one model. Mistakes are passed to `report`. */
export function compileOperation({ spec, rules: specs, path, names, report, readDocument }: OperationSource): Operation {
  // The fields that later calls read are collected here, so that before the submission it is known which fields no call uses.
  const uses = new Set<string>();
  const options = { report, readDocument, names: names.request };
  const before = Object.entries(spec.before ?? {}).map(([name, call]) =>
    compileBefore(name, call, [...path, "before", name], { ...options, uses }),
  );
  const read = new Set<string>();
  const submit = compileCall(spec.request, [...path, "request"], { ...options, uses: read });
  const rules = specs.map((rule, index) => compileRule(rule, ["errors", index], { names: names.errors, report }));
  const submission = compileSubmission(spec, path, { rules, decisive: tellingFields(specs), names, report, readDocument, uses });
  const over = spec.stream && compileOver(spec.stream.request ?? {}, spec.request, [...path, "stream", "request"], options);
  return {
    fields: fieldsOf([...read, ...uses]),
    streams: over !== undefined,
    begin: (context) => callBefore(before, rules, context),
    rehearse: (context) => rehearse({ spec, path, names: names.answer, before, readDocument }, context),
    render: async (context, bodies) => {
      const streamed = over !== undefined && context.events?.show !== undefined;
      const rendered = await submit(context, { before: bodies }, streamed ? over : undefined);
      return { ...rendered, before: bodies, fields: fieldsOf([...rendered.used, ...uses]), streamed };
    },
    ...submission,
  };
}

function fieldsOf(names: readonly string[]): ReadonlySet<string> | undefined {
  if (names.includes("request")) return undefined;
  return new Set(names.map(fieldOf).filter((field) => field !== undefined));
}
