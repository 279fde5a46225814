// Compiles the operations, generate and edit, that a channel offers of a model.
import { bodies, methodOf } from "../dialect/call.ts";
import { compileOperation, type Operation, type OperationSpec, type PartialOperation } from "../dialect/operation.ts";
import { messageOf } from "../errors.ts";
import { channelNames } from "../expression/names.ts";
import type { Path, Report } from "../expression/rendering.ts";
import type { CompiledModel, OperationName } from "../schema/models.ts";
import type { ModelSettings } from "./grammar.ts";

interface Parts {
  /** The model's public name. */
  id: string;
  /** The channel as the model sees it. */
  channel: ModelSettings;
  schema: CompiledModel;
  report: Report;
  /** The fields of the request that plugins answer for. */
  handledIn: (operation: OperationName) => readonly string[];
  /** Read a JSON file beside the channel files; throws where there is none. */
  readDocument: (name: string) => unknown;
  /** False where the grammar rejected parts of the file; missing parts are reported only while it is true. */
  whole: boolean;
}

/** Compile what the channel offers of the model's operations. Mistakes go to `report`; there is nothing where none is complete. */
export function compileOperations({ id, channel, schema, report, handledIn, readDocument, whole }: Parts): Map<OperationName, Operation> {
  const declared = Object.keys(channel.variables ?? {});
  const fields = fieldsOf(schema);
  const operations = new Map<OperationName, Operation>();
  const missing = whole ? report : () => undefined;
  for (const name of schema.operations) {
    // A channel need not have all that a model can.
    if (channel[name] === undefined && (name === "edit" ? schema.operations.length > 1 : channel.edit !== undefined)) continue;
    const spec = channel[name] ?? {};
    if (name === "edit" && channel.edit?.like !== undefined && channel.generate === undefined)
      report(["edit", "like"], "there is no generate to be like; write the request here");
    if (!isComplete(spec, name, missing)) continue;
    const model = `${id} (schema ${schema.id})`;
    const names = channelNames(fields, declared, Object.keys(spec.before ?? {}), model);
    const read = (file: string, path: Path) => {
      try {
        return readDocument(file);
      } catch (error) {
        report(path, messageOf(error));
        return undefined;
      }
    };
    let isRight = whole;
    const told: Report = (...problem) => {
      isRight = false;
      report(...problem);
    };
    const operation = compileOperation({ spec, rules: channel.errors ?? [], path: [name], names, report: told, readDocument: read });
    operations.set(name, operation);
    // A template that is wrong may be the one that reads the prompt.
    if (isRight && wantsPrompt(schema) && !handledIn(name).includes("prompt") && operation.fields?.has("prompt") === false)
      report([name, "request", ...bodies.filter((kind) => spec.request[kind] !== undefined)], "no prompt is sent for", undefined, {
        model,
        hint: "every request of a client has one; put ${request.prompt} where the provider reads it",
      });
  }
  return operations;
}

/** The fields that the requests of a model may have, as templates name them; undefined where there may be any. */
export function fieldsOf({ open, properties }: CompiledModel): string[] | undefined {
  return open ? undefined : properties.filter((name) => name !== "image");
}

/** True for a model whose requests all have a prompt. Those that only enlarge or cut out have none. */
function wantsPrompt({ schema: { required } }: CompiledModel): boolean {
  return Array.isArray(required) && required.includes("prompt");
}

function isComplete(spec: PartialOperation, name: OperationName, report: (path: Path, message: string) => void): spec is OperationSpec {
  const { request, result } = spec;
  const hint = "write it, or extends: a preset that has it";
  if (!request) report([name], `request is missing, the call to the provider; ${hint}`);
  if (!result) report([name], `result is missing, where the pictures are; ${hint}`);
  if (!request || !result) return false;
  return methodOf(request, [name, "request"], report) !== undefined;
}
