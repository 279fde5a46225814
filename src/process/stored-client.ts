// Reads what a key of the ledger is given, by the very rules of gateway.yaml.
import { createProblems, sourceOf, type Place } from "../channels/problems.ts";
import type { Environment } from "../channels/settings.ts";
import { GatewayError } from "../errors.ts";
import type { Client } from "../gateway/client.ts";
import { compileGatewayFile } from "./gateway-file.ts";

const nowhere: Place = { source: sourceOf("", ""), key: 0, value: 0, end: 0, inside: () => 0 };

/** The hash of no key: whose key it is does not matter here. */
const anyHash = `sha256:${"0".repeat(64)}`;

/**
 * The client of a key with these options. `webhooks` are the names that it may be given. Throws a `GatewayError` that says of all mistakes what
 * `pictor check` says of them in the file, with the first one's option as `param`.
 */
export function readClient(name: unknown, options: object, env: Environment, webhooks: readonly string[]): Client {
  const problems = createProblems();
  const located = { value: { keys: [{ ...options, name, key: anyHash }] }, places: new Map([["", nowhere]]) };
  const client = compileGatewayFile(located, env, problems, { webhooks })?.clients[0]?.client;
  const messages = problems.list().map(({ message }) => message);
  if (client && messages.length === 0) return client;
  const [, param] = /^keys\.(\w+)|unknown key "(\w+)"/.exec(messages[0] ?? "")?.filter((part, at) => at === 0 || part) ?? [];
  throw new GatewayError("invalid_value", messages.map((message) => message.replace(/^keys[.:] ?/, "")).join("; "), { param });
}
