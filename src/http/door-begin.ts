// Begins the answer of a door's API while the picture in it is still arriving.
import type { Drawing } from "../door/compile.ts";
import { rendered } from "../door/understand.ts";
import { ExpressionFailure, isPlainObject, type Variables } from "../expression/cel.ts";
import type { Template } from "../expression/rendering.ts";
import { encodeJson, jsonParts } from "../net/body.ts";
import { LongText } from "../picture/lift.ts";
import { write, type Ahead } from "./answer.ts";
import { writeAll, type Put } from "./write.ts";

/** A member of an answer's object, as JSON in parts. */
export interface Member {
  name: string;
  parts: ReturnType<typeof jsonParts>;
}

/** The names of an answer's template once its picture has begun to arrive. */
type Known = Variables & { result: Variables & { pictures: Variables[] } };

/**
 * The member with which an answer can begin: the only one with the picture in it, and the same whatever the provider will say behind the picture.
 * Undefined where there is none.
 */
export function firstMember({ answer, early }: Pick<Drawing, "answer" | "early">, known: Known): Member | undefined {
  for (const [name, template] of early) {
    let depends = false as boolean;
    const seen = () => {
      depends = true;
    };
    const pictures = known.result.pictures.map((picture) => watched(picture, seen));
    const parts = partsNow(template, { ...known, result: { ...known.result, pictures } });
    // A picture that arrives can be written once.
    if (!depends && parts.some(isArriving)) return partsNow(answer, known).filter(isArriving).length === 1 ? { name, parts } : undefined;
  }
  return undefined;
}

/** The value of a template, in parts; none where it is not there, or cannot be made yet: a value that it misses may come behind the picture. */
function partsNow(template: Template, known: Variables): Member["parts"] {
  try {
    const value = rendered(template, known);
    return value === undefined ? [] : jsonParts(value);
  } catch (error) {
    if (error instanceof ExpressionFailure) return [];
    throw error;
  }
}

/** A picture that calls `seen` once anybody looks for what its provider may still say of it. */
function watched(picture: Variables, seen: () => void): Variables {
  const look = (name: string | symbol) => {
    if (name === "revised_prompt" || name === "metadata") seen();
  };
  return new Proxy(picture, {
    get(target, name): unknown {
      look(name);
      return Reflect.get(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      look(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      seen();
      return Reflect.ownKeys(target);
    },
  });
}

/** Write an answer from its first member on, and the others once `all` of it is known. */
export async function writeFrom({ name, parts }: Member, all: () => Promise<unknown>, put: Put, spool?: Ahead): Promise<void> {
  await writeParts([`{${JSON.stringify(name)}:`, ...parts], put, spool);
  const whole = await all();
  const others = Object.entries(isPlainObject(whole) ? whole : {}).filter(([other]) => other !== name);
  const [opening, ...more] = jsonParts(Object.fromEntries(others));
  if (more.some(isArriving)) throw new Error(`the answer shows a picture in ${name}, and once more because of what came behind it`);
  await writeParts([(others.length > 0 ? "," : "") + String(opening).slice(1), ...more], put);
}

async function writeParts(parts: Member["parts"], put: Put, spool?: Ahead): Promise<void> {
  for (const part of parts) {
    if (typeof part === "string") await put(part);
    else if (isArriving(part)) await write([`"${part.prefix}`, part.picture, '"'], put, spool);
    else {
      const body = await encodeJson(part);
      await (Buffer.isBuffer(body) ? put(body) : writeAll(body.chunks(), put));
    }
  }
}

function isArriving(part: Member["parts"][number]): part is LongText & { picture: Extract<LongText["picture"], { kind: "stream" }> } {
  return part instanceof LongText && part.picture?.kind === "stream";
}
