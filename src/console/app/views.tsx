// Shows a request as other programs would send it, and what becomes of it.
import { useState } from "preact/hooks";
import { useLoad } from "./load.ts";
import type { Explanation, ProviderRequest } from "./model.ts";
import { asCurl, asJson, asLibrary, ask, type Order } from "./order.ts";
import { Code, Failure, Loading, Tabs } from "./parts.tsx";
import { Changes } from "./changes.tsx";
import { usd } from "./words.ts";

const names = ["curl", "openai", "JSON", "Provider"] as const;

/** Shows a request in several forms, `first` before the others. */
export function Views({ order, first }: { order: Order; first: (typeof names)[number] }) {
  const [chosen, choose] = useState<string>(first);
  return (
    <section class="views" aria-label="The same request">
      <Tabs label="Form of the request" names={names} chosen={chosen} choose={choose} />
      {chosen === "curl" && <Code label="the command" text={asCurl(order)} />}
      {chosen === "openai" && <Code label="the program" text={asLibrary(order)} />}
      {chosen === "JSON" && <Code label="the body" text={asJson(order)} />}
      {chosen === "Provider" && (order.fields.prompt === "" ? <p class="quiet">Write a prompt first.</p> : <Explained order={order} />)}
    </section>
  );
}

/** The fate of a request on each channel. Nothing is sent to a provider. */
function Explained({ order }: { order: Order }) {
  const { value, error, again } = useLoad(asJson(order) + String(order.mask?.size), (signal) =>
    ask<Explanation>(order, "v1/images/explain", signal),
  );
  if (error) return <Failure error={error} again={again} />;
  if (!value) return <Loading what="what becomes of it" />;
  return (
    <>
      {value.channels.map(({ channel, changes, cost, refused, requests, polls }) => (
        <section key={channel} class="explained">
          <h2>
            <a href="#/channels">{channel}</a>
            <span class="quiet"> {cost === null ? "no price is known" : costText(cost)}</span>
          </h2>
          {refused && <p class="wrong">{refused.message}</p>}
          <Changes changes={changes} />
          {requests?.map((request, index) => (
            <Code key={index} label={`request ${index + 1} to ${channel}`} text={textOf(request)} />
          ))}
          {polls?.map(({ after, ...request }, index) => (
            <Code
              key={index}
              label={`the look at the task of ${channel}`}
              text={`then, after ${after.map((wait) => `${wait / 1000} s`).join(", ")} and so on:\n${textOf(request)}`}
            />
          ))}
          {!refused && !requests && <p class="quiet">The provider's own request is shown with the operator's key.</p>}
        </section>
      ))}
    </>
  );
}

export function costText({ lowest, highest }: { lowest: number; highest: number | null }): string {
  if (highest === null) return `from ${usd(lowest)}`;
  return lowest === highest ? usd(lowest) : `${usd(lowest)} to ${usd(highest)}`;
}

function textOf({ method, url, headers, body }: ProviderRequest): string {
  const head = [`${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join("\n");
  return body === undefined ? head : `${head}\n\n${typeof body === "string" ? body : JSON.stringify(body, null, 2)}`;
}
