import { textsOf } from "../../src/channels/texts.ts";
import type { Door } from "../../src/door/compile.ts";
import { loadDoors } from "../../src/door/load.ts";
import { isOwnPath } from "../../src/http/app.ts";
import type { Gateway } from "../../src/http/gateway.ts";
import { createChoices } from "../../src/testing/choices.ts";
import { startHouse, type Handler, type House } from "../http/setup.ts";

/** A channel that hands on the whole request. */
export const channel = `
base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
models: { cat-1: { schema: open } }
generate:
  request: { post: /draw, json: "\${request}" }
  result: { images: "\${body.data}", url: "\${image.?url}", base64: "\${image.?b64_json}", revised_prompt: "\${image.?revised_prompt}", created: "\${body.?created}", usage: "\${body.?usage}" }
  stream:
    partial: { when: 'body.type.endsWith(".partial_image")', base64: "\${image.?b64_json}" }
    result: { when: 'body.type.endsWith(".completed")', base64: "\${image.?b64_json}" }
edit: { like: generate, request: { post: /draw } }
`;

/** The doors of these files, by name, with what is wrong. */
export function doorsOf(files: Record<string, string>) {
  const all = new Map(Object.entries(files).map(([name, text]) => [`${name}.yaml`, Buffer.from(text)]));
  return loadDoors({ folder: textsOf(all, (name) => `channels/${name}`), isTaken: isOwnPath, withTests: true });
}

/** Serve these doors too. */
export function openDoors(gateway: Pick<Gateway, "table">, doors: readonly { door: Door }[]): void {
  const { table } = gateway;
  gateway.table = () => ({ ...table(), doors: doors.map(({ door }) => door) });
}

/** A gateway with a door, before one provider that answers as `handler` does. */
export async function houseWithDoor(text: string, handler: Handler): Promise<House> {
  const { doors, problems } = await doorsOf({ "doors/door": text });
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join("\n"));
  const house = await startHouse(handler, { choices: createChoices() }, { "acme.yaml": channel });
  openDoors(house.gateway, doors);
  return house;
}
