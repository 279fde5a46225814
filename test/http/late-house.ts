// A gateway that answers a request after 50 ms with a 504, before a provider that answers when a test says so.
import type { ServerResponse } from "node:http";
import { expect } from "chai";
import type { Table } from "../../src/gateway/table.ts";
import type { Gateway } from "../../src/http/gateway.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, until } from "./setup.ts";

/** A request as `GET /v1/requests/{id}` shows it. */
export interface Shown {
  id: string;
  object: string;
  status: string;
  model: string;
  created_at: number;
  result?: { created: number; data: { url?: string; b64_json?: string; revised_prompt?: string }[]; usage?: object; metadata?: object };
  error?: { code: string };
}

export interface LateHouse extends DurableHouse {
  /** The provider's answers that are not there yet. Each test begins with `reset`. */
  waiting: ServerResponse[];
  show(id: string | null, key?: string): Promise<Response>;
  shown(id: string | null): Promise<Shown>;
  /** The request once it has ended. */
  ended(id: string): Promise<Shown>;
  /** A request that has been answered with a 504, and whose provider has been asked; its id. */
  slow(body: object): Promise<string>;
}

export async function startLateHouse(parts: Partial<Gateway> = {}): Promise<LateHouse> {
  const waiting: ServerResponse[] = [];
  const house = await startDurableHouse(undefined, parts);
  house.handler = (_call, response) => void waiting.push(response);
  const table = house.gateway.table();
  house.gateway.table = (): Table => ({ ...table, answerWithin: 50, repeatWithin: 60_000 });
  const show = (id: string | null, key = house.key) =>
    fetch(`${house.url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
  const shown = async (id: string | null) => (await (await show(id)).json()) as Shown;
  return {
    ...house,
    waiting,
    show,
    shown,
    ended: async (id) => {
      await until(async () => (await shown(id)).status !== "in_progress");
      return shown(id);
    },
    slow: async (body) => {
      const before = waiting.length;
      const response = await house.generate({ model: "demo", ...body });
      const id = String(response.headers.get("x-request-id"));
      const { message } = await errorOf(response, 504, "upstream_timeout");
      expect(message).to.contain(`GET /v1/requests/${id}`);
      expect(response.headers.get("x-should-retry")).to.equal("false");
      await until(() => waiting.length > before, "the provider is asked");
      return id;
    },
    reset: () => {
      waiting.length = 0;
      house.reset();
    },
  };
}
