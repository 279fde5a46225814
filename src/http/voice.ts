// Says how a request of another API is understood, and how it is answered.
import type { Context } from "koa";
import type { Logger } from "pino";
import type { Understood } from "../door/understand.ts";
import type { Made } from "../gateway/kept-answer.ts";
import type { Change, UnifiedRequest } from "../plugin/context.ts";
import type { CompiledModel } from "../schema/models.ts";
import type { AnswerBody, Passing } from "./answer.ts";
import { judgeTexts, readClientBody, type BodyLimits, type ClientBody } from "./body.ts";
import type { ClientMessage } from "./bytes.ts";
import type { EventAnswer } from "./events.ts";
import type { SpoolScope } from "../picture/spool.ts";

/** How a client of another API is understood and answered. */
export interface Voice {
  /** Read the body. Throws a 400 for one that cannot be a request for pictures. */
  understand: (body: Record<string, unknown>) => Understood;
  /** Fields that are dropped where the model does not take them. */
  optional: ReadonlySet<string>;
  /** The answer to a request for a job, as JSON; OpenAI's shape when absent. */
  accepted?: (job: object, request: UnifiedRequest) => string;
  /** True where the answer may begin while its picture arrives. */
  mayBegin: boolean;
  answer: (made: Made, request: UnifiedRequest, spool?: Passing) => Promise<AnswerBody>;
  events: (ctx: Context, request: UnifiedRequest, around: { heartbeat: number; log: Logger }) => EventAnswer;
}

/** A client's body in the gateway's words; `said` is there where it was in another API's. */
export interface SaidBody extends ClientBody {
  said?: Omit<Understood, "fields">;
}

/** Read a body of the API that the client speaks: OpenAI's without a voice. Throws a 400, 413 or 415. */
export async function readSaid(
  message: ClientMessage,
  voice: Pick<Voice, "understand"> | undefined,
  limits: BodyLimits,
  { spool, signal }: { spool: Pick<SpoolScope, "take">; signal: AbortSignal },
): Promise<SaidBody> {
  if (!voice) return readClientBody(message, limits, spool, signal);
  const body = await readClientBody(message, { ...limits, anywhere: true }, spool, signal);
  const { fields, ...said } = voice.understand(body.fields);
  judgeTexts(fields, limits);
  return { fields, form: body.form, said };
}

/** The fields that a model takes, without the optional ones that it does not know, which are reported. */
export function takenBy(
  { properties, open }: Pick<CompiledModel, "properties" | "open">,
  fields: Record<string, unknown>,
  optional: ReadonlySet<string>,
): { fields: Record<string, unknown>; changes: Change[] } {
  const isLost = (name: string) => optional.has(name) && !open && !properties.includes(name);
  const lost = Object.keys(fields).filter((name) => isLost(name) && fields[name] !== null && fields[name] !== "");
  return {
    fields: Object.fromEntries(Object.entries(fields).filter(([name]) => !isLost(name))),
    changes: lost.map((field) => ({ field, what: "dropped" })),
  };
}
