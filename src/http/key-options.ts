// Declares what a client's key may be given: one of gateway.yaml, and one that is added at run time.
import type { KeepAfterHangup } from "../gateway/client.ts";
import { periods, type Period } from "../ledger/spending.ts";
import { greatestAmount } from "../money/cost.ts";

export const positive = { type: "integer", minimum: 1 };
export const names = (description: string) => ({ type: "array", minItems: 1, items: { type: "string", minLength: 1 }, description });
export const secret = { type: "string", minLength: 1 };

/** JSON Schema of a key's name. */
export const keyName = {
  type: "string",
  title: "a name of letters, digits, dots, dashes and underscores, such as mobile-app",
  pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
  maxLength: 64,
  description: "Whose key it is; the log names it.",
};

const budget = {
  type: "object",
  additionalProperties: false,
  required: ["usd", "per"],
  properties: { usd: { type: "number", minimum: 0, maximum: greatestAmount }, per: { enum: periods } },
};

/** JSON Schemas of what a key may be given. */
export const keyOptions = {
  models: names("The models it may use, `*` for any part of a name; all when omitted."),
  images_per_minute: { ...positive, description: "Pictures that may be begun in a minute." },
  concurrency: { ...positive, description: "Requests at once." },
  jobs: {
    ...positive,
    description: "Jobs that may wait or be under way; 1000 when omitted. The next is refused with a 429 until one of them is over.",
  },
  keep_after_hangup: { enum: ["always", "never"], description: "The same as in `routing`, for its requests." },
  budget: {
    type: ["object", "array"],
    if: { type: "object" },
    then: budget,
    else: { type: "array", minItems: 1, items: budget },
    description:
      "The most that it may spend, such as `{ usd: 50, per: month }`: `per` is `day` or `month`, in UTC, or `total`. Of several in a list each holds. The most that a request can cost is reserved before it is ordered; what does not fit gets a 429.",
  },
  unpriced: {
    enum: ["pass", "refuse"],
    description: "Whether it may order what nobody knows the price of beforehand, which then reserves nothing: `pass` when omitted.",
  },
  expires: {
    type: "string",
    title: "a date such as 2027-01-31, the last day, or a moment such as 2027-01-31T12:00:00Z",
    pattern: "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(Z|[+-][0-9]{2}:[0-9]{2}))?$",
    description: "The last day on which it is good, in UTC, or the moment it ends.",
  },
  may_pin: { type: "boolean", description: "Whether it may name the channel that a request goes to." },
  may_webhook: {
    type: ["array", "string"],
    title: "a list of names of webhooks, or any",
    if: { type: "string" },
    then: { enum: ["any"] },
    else: names(""),
    description:
      "The webhooks that its jobs may name: a list of their names, or `any` for all, and for URLs of its own. None when omitted.",
  },
  webhook_secret: { ...secret, description: "Signs events to URLs of its own, for which `may_webhook` must be `any`." },
  previous_webhook_secret: { ...secret, description: "Signs them too, while it is replaced." },
};

/** A budget, as it is written. */
export interface WrittenBudget {
  usd: number;
  per: Period;
}

/** The options of a key, as they are written. */
export interface KeyOptions {
  models?: string[];
  images_per_minute?: number;
  concurrency?: number;
  jobs?: number;
  keep_after_hangup?: KeepAfterHangup;
  budget?: WrittenBudget | WrittenBudget[];
  unpriced?: "pass" | "refuse";
  expires?: string;
  may_pin?: boolean;
  may_webhook?: string[] | "any";
  webhook_secret?: string;
  previous_webhook_secret?: string;
}
