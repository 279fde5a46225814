// The reference of door files.
import { doorSchema } from "../../src/door/grammar.ts";
import { doorNames, doorTestNames } from "../../src/door/names.ts";
import type { Names } from "../../src/expression/names.ts";
import { reference, rowsOf } from "./channels.ts";

/** The page of door files: every key of their schema, and every name that their expressions may read. */
export function doorsPage(namesTable: (places: readonly Names[]) => string): string {
  const { routes, tests, ...file } = doorSchema.properties;
  const { required } = doorSchema;
  return [
    "# Door files",
    "A door is an API of others that clients may speak: a YAML file of `channels/doors/`, named after the API. [Write a door](write-a-door.md) walks through one; this page lists every key. `npx pictor check` reports a key that is not here, `npx pictor test doors/NAME` runs the tests of one.",
    "A client that sends its request again is known as [elsewhere](client.md#retries): by its `Idempotency-Key`, by the count of OpenAI's SDKs, or as the same request soon after an error that may have been paid for. `ai` and LangChain send no key by themselves and count no retries, so that a connection that breaks before the answer may lead to a second order, unless the call is given a key.",
    "Values are templates as in [channel files](channels.md#in-the-place-of-a-value), and what `${...}` may say is in [expressions](expressions.md#examples). A value that is not there leaves its key out; a null is a null.",
    "## The file",
    reference([
      ...rowsOf(file, { required }),
      ["`routes` (required)", "map", `${routes.description} See [a route](#a-route).`],
      ["`tests`", "list", `${tests.description} See [tests](#tests).`],
    ]),
    "## A route",
    "A route that makes pictures has `operation`, `request` and `answer`; every other one is a `page`. Fields of the body that no template reads are dropped and reported in `x-pictor-changes`, and so are those of `optional` that the model does not take. Whatever `request` leaves out is the model's default, and a request without a model is for the operator's default model.",
    reference(rowsOf(routes.additionalProperties.properties)),
    "## Names",
    namesTable([...Object.values(doorNames), doorTestNames]),
    "## Tests",
    "A test is a request of a client, and its answer. Behind the gateway stands one provider that takes every unified request, so that `request` is what the door makes of the client's.",
    reference(rowsOf(tests.items.properties, { required: tests.items.required })),
  ].join("\n\n");
}
