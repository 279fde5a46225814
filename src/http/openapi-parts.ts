// Parts that the paths of the description share.
import { errorStatus } from "../errors.ts";
import { ref, type Json } from "./openapi-shapes.ts";

/** The parameter of a path that ends in an id. */
export const id: Json = { name: "id", in: "path", required: true, schema: { type: "string" } };

/** Answers with an error, by status, each with the codes that it may have. */
export function failures(...statuses: number[]): Json {
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: Object.entries(errorStatus)
          .filter(([, own]) => own === status)
          .map(([code]) => `\`${code}\``)
          .join(", "),
        content: json(ref("Error")),
      },
    ]),
  );
}

/** A schema as the content of a body. */
export function json(schema: Json): Json {
  return { "application/json": { schema } };
}
