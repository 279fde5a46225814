// Records the cost of the calls of one attempt, as far as it is known.
import { mayBeMade, ProviderFailure } from "../errors.ts";
import { nothing, sumOf, unpriced, type Cost } from "../money/cost.ts";
import type { Pixels } from "../money/units.ts";
import { sniff } from "../picture/sniff.ts";
import type { Events } from "../plugin/compose.ts";
import type { Result, UnifiedRequest } from "../plugin/context.ts";
import type { Pricing } from "./pricing.ts";

/** The bill of one attempt. */
export interface Bill {
  /** Runs an order and bills its result. `asked` is the request as the plugins left it. */
  order(asked: UnifiedRequest, events: Events | undefined, run: (events: Events | undefined) => Promise<Result>): Promise<Result>;
  /** Notes the first bytes of a provider's picture that was fetched, since some prices depend on its size. */
  fetched(url: string, head: Buffer): void;
  /** The cost of all orders so far. An order whose answer is unknown counts as made, unless its failure proves otherwise. */
  cost: () => Cost;
}

interface Order {
  asked: UnifiedRequest;
  /** The pictures that a stream has shown. */
  shown: Billed[];
  pictures?: Billed[];
  told?: Pick<Result, "facts" | "cost" | "errors">;
  error?: unknown;
}

/** The facts of a picture that its price depends on. Its bytes are not kept here. */
interface Billed extends Pixels {
  url?: string;
}

export function createBill(pricing: Pricing): Bill {
  const orders: Order[] = [];
  const sizes = new Map<string, Pixels>();
  return {
    order: async (asked, events, run) => {
      const order: Order = { asked, shown: [] };
      orders.push(order);
      try {
        const result = await run(watched(events, order));
        order.pictures = result.pictures.map(billed);
        if (result.rest) void result.rest.then((whole) => (order.told = said(whole))).catch(() => undefined);
        else order.told = said(result);
        return result;
      } catch (error) {
        order.error = error;
        throw error;
      }
    },
    fetched: (url, head) => {
      if (pricing.lines) sizes.set(url, sniff(head) ?? {});
    },
    cost: () => (orders.length === 0 ? nothing : sumOf(orders.map((order) => costOf(order, pricing, sizes)))),
  };
}

/** A result without its pictures: otherwise the bill would hold their bytes until the client has read them. */
function said({ facts, cost, errors }: Result): Order["told"] {
  return { facts, cost, errors };
}

/** The same events; finished pictures that are shown are also noted in the order. */
function watched(events: Events | undefined, { shown }: Order): Events | undefined {
  const show = events?.show;
  if (!show) return events;
  return {
    ...events,
    show: (one) => {
      if (one.partial === undefined) shown.push(billed(one.picture));
      return show(one);
    },
  };
}

function billed({ width, height, data }: Result["pictures"][number]): Billed {
  return { width, height, ...(data.kind === "url" && { url: data.url }) };
}

function costOf(order: Order, pricing: Pricing, sizes: ReadonlyMap<string, Pixels>): Cost {
  const { asked, told, pictures = [], shown, error } = order;
  if (!told) {
    const isRefused = error instanceof ProviderFailure && error.kind === "refused";
    if (isRefused) return pricing.chargesRefusals ? mostOf(order, pricing, "request") : nothing;
    return error === undefined || mayBeMade(error) ? mostOf(order, pricing, "uncertain") : nothing;
  }
  if (told.cost !== undefined) return { nanos: told.cost, from: "provider" };
  const measured = [...shown, ...pictures].map((picture) => (picture.width ? picture : (sizes.get(picture.url ?? "") ?? picture)));
  const refused = pricing.chargesRefusals ? told.errors.filter(({ code }) => code === "content_policy_violation").map(() => ({})) : [];
  const { usage, quality } = told.facts;
  return pricing.lines?.ofAnswer(asked, { pictures: [...measured, ...refused], usage, quality }) ?? unpriced;
}

/** The most that an order can have cost. If the price is known before the order, that is its cost. */
function mostOf({ asked }: Order, { lines }: Pricing, from: "request" | "uncertain"): Cost {
  const { lowest, highest } = lines?.beforehand(asked) ?? {};
  if (highest === undefined) return unpriced;
  return { nanos: highest, from: lowest === highest ? from : "uncertain" };
}
