// Describes the kinds of auth that a channel may name.
import type { FromSchema, JsonSchema } from "../../schema/from-schema.ts";
import { closed, text as anyText } from "../../schema/parts.ts";

const text = (description: string) => ({ ...anyText(description), minLength: 1 });

const service = text("The service's name in the signature's scope.");
const region = text("The region in the signature's scope.");
const tokenUrl = (description: string) => ({ ...text(description), pattern: "^(https?://|\\$\\{)" });
const twoParts = "The key is `{ id, secret }` or one text, `id|secret`";

const words = { enum: ["bearer", "basic", "none"] } as const;

const header = closed(
  {
    header: {
      ...text("The name of the header that holds the key."),
      title: "a header's name, such as x-key",
      pattern: "^(?:\\$\\{.*\\}|[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
    },
    scheme: { ...text("A word before the key in that header."), title: "a word in ASCII, such as Key", pattern: "^[ -~]+$" },
  },
  ["header"],
);

const jwt = closed(
  {
    algorithm: { enum: ["HS256", "RS256"], description: "How it is signed." },
    claims: {
      type: "object",
      description: "What it says. `${key.id}` is a part of the key; `${now}`, `${now + 1800}` and `${now - 5}` are times.",
      additionalProperties: {
        type: ["string", "number", "boolean"],
        pattern: "^(\\$\\{(key\\.[a-z_]+|now( [+-] [0-9]+)?)\\}|[^$]*)$",
      },
    },
    header: {
      type: "object",
      description: "The header's members beside `alg`; `{ typ: JWT }` when omitted.",
      additionalProperties: { type: "string" },
    },
    unit: { enum: ["seconds", "milliseconds"], description: "What times are counted in; seconds when omitted." },
    scheme: text("The word before the token in `authorization`; Bearer when omitted."),
  },
  ["algorithm", "claims"],
);

const oauth2 = closed(
  {
    token_url: tokenUrl("Where tokens are given."),
    scope: text("The scopes asked for, with spaces between."),
    audience: text("The audience asked for."),
    auth_method: {
      enum: ["client_secret_post", "client_secret_basic"],
      description: "Whether the key is sent in the form (when omitted) or as Basic.",
    },
  },
  ["token_url"],
);

const scopedByRegion = closed({ service, region }, ["service", "region"]);

/** The kinds that a map of one key names. */
const kinds = {
  query: text("The name of the query parameter that holds the key."),
  body: text("The key's place in the JSON body, with dots: `apiKey`, `0.auth.key`. Calls without a JSON body go without it."),
  sigv4: { ...scopedByRegion, description: `Signature Version 4. ${twoParts}; temporary keys have a \`token\` too.` },
  volcengine: {
    ...scopedByRegion,
    description: `HMAC-SHA256 over \`x-date\` and \`x-content-sha256\`. ${twoParts}; temporary keys have a \`token\` too.`,
  },
  tc3: {
    ...closed({ service }, ["service"]),
    description: `TC3-HMAC-SHA256. ${twoParts}; temporary keys have a \`token\` too.`,
  },
  jwt: {
    ...jwt,
    description:
      "A token that is signed here for each call. The key has the parts that the claims name and `secret` (HS256) or `private_key` " +
      "(RS256, PEM); as one text they stand in this order with `|` between.",
  },
  oauth2: { ...oauth2, description: `OAuth 2.0 client credentials: a token is fetched, kept and sent as Bearer. ${twoParts}.` },
  google_service_account: {
    ...closed({ scope: text("The scopes asked for, with spaces between."), token_url: tokenUrl("Where tokens are given.") }, [
      "scope",
      "token_url",
    ]),
    description:
      "A service account's signed assertion is exchanged for a token, which is kept and sent as Bearer. " +
      "The key is `{ email, private_key }`, or the account's JSON file as it is.",
  },
};

/** The JSON Schema of a channel's `auth`. */
export const authSchema = {
  description:
    "How the key is shown: `bearer` (when omitted), `basic`, `none`, or one of the kinds below as a map: `{ header: x-key, scheme: Key }`.",
  type: ["string", "object"],
  if: { type: "string" },
  then: words,
  else: {
    type: "object",
    additionalProperties: false,
    minProperties: 1,
    dependentRequired: { scheme: ["header"] },
    if: { type: "object", required: ["header"] },
    then: { type: "object", maxProperties: 2, propertyNames: { enum: ["header", "scheme"] } },
    else: { type: "object", maxProperties: 1 },
    properties: { ...header.properties, ...kinds },
  },
} as const;

export type JwtSpec = FromSchema<typeof jwt>;
export type OAuth2Spec = FromSchema<typeof oauth2>;
/** `key.<part>` stands for a part of the key, `now` for the moment of signing, counted in the `unit`. */
export type Claim = JwtSpec["claims"][string];

/** A map of one key, which is one of these. */
type OneOf<Kinds extends Record<string, JsonSchema>> = { [Name in keyof Kinds]: { [Only in Name]: FromSchema<Kinds[Name]> } }[keyof Kinds];

/** How a channel shows its key, as its file says it. */
export type AuthSpec = FromSchema<typeof words> | FromSchema<typeof header> | OneOf<typeof kinds>;
