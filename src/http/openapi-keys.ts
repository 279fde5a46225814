// Describes the operator's way to clients' keys.
import { keyName, keyOptions } from "./key-options.ts";
import { failures, json } from "./openapi-parts.ts";
import { ref, type Json } from "./openapi-shapes.ts";

const name: Json = { name: "name", in: "path", required: true, description: "The key's name.", schema: { type: "string" } };

const time = (description: string): Json => ({ type: "integer", description: `Unix seconds ${description}` });

const keyText: Json = {
  key: { type: "string", description: "The key itself. No other answer has it, and the gateway keeps its SHA-256 alone." },
};

/** JSON Schema of what a key is given; `null` stands for nothing where a change takes it away. */
const given = (nullable: boolean): Json => ({
  type: "object",
  additionalProperties: false,
  properties: nullable
    ? Object.fromEntries(Object.entries(keyOptions).map(([option, schema]) => [option, { anyOf: [schema, { type: "null" }] }]))
    : { name: keyName, ...keyOptions },
  ...(!nullable && { required: ["name"] }),
});

/** The schemas of these answers. */
export const keySchemas: Json = {
  ClientKey: {
    type: "object",
    required: ["object", "name", "source"],
    properties: {
      object: { const: "key" },
      name: { type: "string" },
      source: {
        enum: ["ledger", "gateway.yaml", "PICTOR_API_KEYS", "own"],
        description:
          "Where it stands; of one that is not in the ledger nothing more is said. `own` is the one that the gateway made for itself.",
      },
      client: { type: "string", description: "The client of its requests, where that is not the name." },
      status: {
        enum: ["active", "expired", "revoked", "refused"],
        description: "`refused`: `gateway.yaml` has a key of this name, or an option is not understood; the log says which.",
      },
      begins: { type: "string", description: "The beginning of the key, to know it by." },
      ...keyOptions,
      created_at: time("of its beginning."),
      changed_at: time("of its last change."),
      previous_until: time("until which the key is good that this one took the place of."),
      revoked_at: time("from which it is good no more."),
    },
  },
  KeyChange: {
    type: "object",
    properties: {
      object: { const: "key.change" },
      at: time("of the change."),
      action: { enum: ["added", "changed", "rotated", "revoked"] },
      by: { type: "string", description: "The program that asked for it, and its address." },
      options: { type: "object", description: "What the key was given from then on." },
    },
  },
};

const one: Json = { description: "The key.", content: json(ref("ClientKey")) };

const made: Json = {
  description: "The key, with its text.",
  content: json({ allOf: [ref("ClientKey"), { type: "object", required: ["key"], properties: keyText }] }),
};

const listOf = (schema: string): Json => ({
  type: "object",
  properties: { object: { const: "list" }, data: { type: "array", items: ref(schema) } },
});

/** Describes one operation of the operator's. */
function operation(operationId: string, summary: string, rest: Json, ...statuses: number[]): Json {
  const { responses, ...more } = rest;
  return {
    operationId,
    summary,
    tags: ["keys"],
    security: [{ operator: [] }],
    ...more,
    responses: { ...(responses as Json), ...failures(401, 404, ...statuses, 503) },
  };
}

/** Paths of clients' keys. */
export const keyPaths: Json = {
  "/admin/keys": {
    get: operation("listClientKeys", "List the clients and their keys.", {
      responses: { 200: { description: "All but revoked ones.", content: json(listOf("ClientKey")) } },
    }),
    post: operation(
      "addClientKey",
      "Add a key for a client.",
      {
        description: "It is good at once here, and in every other process within a second.",
        requestBody: { required: true, content: json(given(false)) },
        responses: { 201: made },
      },
      400,
      409,
    ),
  },
  "/admin/keys/{name}": {
    parameters: [name],
    get: operation("showClientKey", "Show a key, also a revoked one.", { responses: { 200: one } }),
    patch: operation(
      "changeClientKey",
      "Change what a key is given.",
      {
        description: "What is not named stays; `null` takes something away.",
        requestBody: { required: true, content: json(given(true)) },
        responses: { 200: one },
      },
      400,
      409,
    ),
    delete: operation(
      "revokeClientKey",
      "Revoke a key.",
      {
        description:
          "Every process refuses it within a second. What is under way with it goes on, and jobs that wait are not ordered. Its name is free.",
        responses: { 200: one },
      },
      409,
    ),
  },
  "/admin/keys/{name}/changes": {
    parameters: [name],
    get: operation("listClientKeyChanges", "List what was done with the keys of a name, the newest first.", {
      responses: { 200: { description: "The changes.", content: json(listOf("KeyChange")) } },
    }),
  },
  "/admin/keys/{name}/rotate": {
    parameters: [name],
    post: operation(
      "rotateClientKey",
      "Put another key in the place of this one, for the same client.",
      {
        parameters: [
          {
            name: "grace",
            in: "query",
            description:
              "For how long the old key is good, such as `24h`; it ends at once when omitted. One that was rotated before it ends at once.",
            schema: { type: "string" },
          },
        ],
        responses: { 200: made },
      },
      400,
      409,
    ),
  },
};
