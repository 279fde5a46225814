// A gateway whose operator adds keys while it runs.
import pino from "pino";
import { createClientKeys } from "../../src/http/client-keys.ts";
import { parseGatewayFile } from "../../src/process/gateway-file.ts";
import type { InForce } from "../../src/process/in-force.ts";
import { openKeys } from "../../src/process/open-keys.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { answerWithUrls } from "./setup.ts";

export interface KeysHouse extends DurableHouse {
  /** Put another `gateway.yaml` in force; `own` is the key that the gateway made for itself. */
  file(text: string, own?: string): void;
  /** Looks for keys that were changed, so far. */
  looks(): number;
  /** Calls the operator's interface. */
  admin(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The status of a request with a key, on a model. */
  statusOf(key: string, model?: string): Promise<number>;
}

/** Open the keys of one more process on a ledger, for which this file is in force. */
export function keysOn(ledger: Pick<Ledger, "keys">, inForce: () => InForce, log: object[] = [], settings = { apiKeys: [] as string[] }) {
  return openKeys({
    ledger,
    log: pino({}, { write: (line: string) => void log.push(JSON.parse(line) as object) }),
    env: { HOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString("base64")}` },
    settings,
    inForce,
  });
}

/** The configuration in force with this `gateway.yaml`. */
export function inForceOf(text: string, ownKey?: string): InForce {
  const file = parseGatewayFile("gateway.yaml", Buffer.from(text), {}, undefined);
  return { file, keys: createClientKeys(ownKey === undefined ? ["sk-test"] : [ownKey], file.clients), ownKey } as InForce;
}

/** Start one of these files, as `startHouse` takes them; its fixed key is `sk-test`, the operator's `sk-operator`. */
export async function startKeysHouse(text = "", files?: Record<string, string>): Promise<KeysHouse> {
  const house = await startDurableHouse(files, { trustProxy: true });
  house.handler = answerWithUrls;
  let inForce = inForceOf(text);
  let looks = 0;
  let strangers = 0;
  const counted: Ledger = {
    ...house.ledger,
    keys: {
      ...house.ledger.keys,
      since: (version) => {
        looks += 1;
        return house.ledger.keys.since(version);
      },
    },
  };
  const close = house.close.bind(house);
  const opened = await keysOn(counted, () => inForce, house.log, {
    get apiKeys() {
      return inForce.ownKey === undefined ? ["sk-test"] : [];
    },
  });
  Object.assign(house.gateway, { keys: opened.keys, keyDesk: opened.keyDesk });
  return Object.assign(house, {
    file: (other: string, own?: string) => void (inForce = inForceOf(other, own)),
    looks: () => looks,
    admin: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      fetch(`${house.url}/admin/keys${path}`, {
        method,
        headers: { authorization: "Bearer sk-operator", "content-type": "application/json", ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    statusOf: async (key: string, model = "demo") => {
      const answer = await house.generate(
        { model, prompt: "a cat", response_format: "url" },
        // Each is somebody else, since only so many wrong keys of one address are judged.
        { headers: { authorization: `Bearer ${key}`, "x-forwarded-for": `2001:db8:0:${(strangers += 1).toString(16)}::1` } },
      );
      await answer.arrayBuffer();
      return answer.status;
    },
    close: async () => {
      await opened.close();
      await close();
    },
  });
}
