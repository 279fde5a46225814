// Reads a request for pictures: its body, its model, its images.
import { GatewayError } from "../errors.ts";
import type { ModelEntry } from "../gateway/table.ts";
import type { Polarity } from "../picture/mask.ts";
import type { SpoolScope } from "../picture/spool.ts";
import type { OperationName } from "../schema/models.ts";
import type { Change } from "../plugin/context.ts";
import type { ClientBody } from "./body.ts";
import type { ClientMessage } from "./bytes.ts";
import { imageFieldsOf } from "./image-fields.ts";
import { readImages, type ReadingImages } from "./input-images.ts";
import type { InputLimits } from "./input-limits.ts";
import type { OwnPictures } from "./own-pictures.ts";
import { modelOf, unify, type Unified } from "./normalise.ts";
import { readSaid, takenBy, type Voice } from "./voice.ts";

interface Around {
  /** The operation of the path. */
  operation: OperationName;
  /** The model that is meant where the body names none. */
  usualModel?: string;
  /** The model of a name; throws where there is none for this client. */
  find: (model: string) => ModelEntry;
  limits: InputLimits;
  spool: Pick<SpoolScope, "take">;
  /** Reads pictures of this gateway, which are not fetched. */
  own?: OwnPictures;
  signal: AbortSignal;
  /** The API that the client speaks; OpenAI's when absent. */
  voice?: Pick<Voice, "understand" | "optional">;
}

/** A request for pictures, read and judged. */
export interface ReadRequest extends Unified {
  entry: ModelEntry;
  /** True where the client wants the answer as events. */
  streams: boolean;
  /** True where the body says `async`: the client fetches the answer later. */
  isAsync: boolean;
  /** The webhook that the body names, if any; nothing has judged it. */
  webhook: unknown;
  /** The same as another model takes it. Throws a 400 where it does not. */
  forModel: (entry: ModelEntry) => Unified;
}

/**
 * Read a request for pictures: which model it is for, and what the model's schema makes of it. Its images are in the spool.
 * A request with images, or to the path of edits, is an edit. Throws a 400, 413 or 415, and what `find` throws.
 */
export async function readRequest(message: ClientMessage, around: Around): Promise<ReadRequest> {
  const { operation: path, find, limits, voice } = around;
  const { fields: all, form, said } = await readSaid(message, voice, limits, around);
  const says = (value: unknown, wanted: boolean) => value === wanted || (form && String(value).trim().toLowerCase() === String(wanted));
  // They say how to answer, and not what to make, so no model's schema knows them.
  const { async: asynchronous, webhook, ...others } = all;
  const isAsync = says(asynchronous, true);
  const isSaid = isAsync || asynchronous === undefined || says(asynchronous, false);
  const named = isSaid ? others : { ...others, async: asynchronous };
  const entry = find(modelOf(named, around.usualModel));
  const { fields, changes } = voice ? takenBy(entry.schema, named, voice.optional) : { fields: named, changes: [] };
  const unified = await readFields({ fields, form, marks: said?.marks }, entry, path, around);
  const forModel = said ? withChanges(unified, [...said.changes, ...changes]) : unified;
  const streams = said?.streams ?? says(fields.stream, true);
  return { entry, ...forModel(entry), streams, isAsync, webhook: webhook ?? undefined, forModel };
}

/** The same with the changes that were made before the model was known. */
function withChanges(unified: ReadRequest["forModel"], before: readonly Change[]): ReadRequest["forModel"] {
  return (entry) => {
    const { request, changes } = unified(entry);
    return { request, changes: [...before, ...changes] };
  };
}

/** A model, as far as it says what may be asked of it. */
type Asked = Pick<ModelEntry, "id" | "schema" | "routes">;

/**
 * Reads the fields for a model, and for any other that takes as many images: images are read, and the model's schema judges the rest.
 * `path` is what the address asks for, and `marks` the mark of what may change in the mask; transparency when absent. Throws a 400 or 413.
 */
export async function readFields(
  { fields, form, marks }: ClientBody & { marks?: Polarity },
  asked: Asked,
  path: OperationName,
  around: ReadingImages,
): Promise<(model: Asked) => Unified> {
  const given = imageFieldsOf(fields, asked.schema, path);
  const operation = given.images.length > 0 || given.mask !== undefined ? "edit" : path;
  judgeOperation(asked, operation, operation !== path);
  const most = (asked.schema.describe("images").maxItems as number | undefined) ?? 16;
  const inputs = operation === "edit" ? await readImages({ ...given, marks }, most, around) : undefined;
  return ({ id, schema }) => unify({ fields: { ...given.rest, model: id }, form }, schema, inputs);
}

const abilities: Record<OperationName, string> = { generate: "make pictures from a prompt alone", edit: "edit pictures" };

function judgeOperation({ id, routes }: Asked, wanted: OperationName, byImage: boolean): void {
  if (routes.some(({ operations }) => operations.has(wanted))) return;
  const can = [...new Set(routes.flatMap(({ operations }) => [...operations]))].map((name) => `${name} (${abilities[name]})`).join(", ");
  throw new GatewayError("invalid_value", `${id} cannot ${abilities[wanted]}; what it can: ${can}`, {
    param: byImage || wanted === "generate" ? "image" : "model",
  });
}
