// Usage: what requests cost, by day, by model and for the operator by client.
import { get } from "./api.ts";
import { useLoad } from "./load.ts";
import type { Sums, Usage as UsageAnswer } from "./model.ts";
import { DataTable, Empty, Failure, Loading } from "./parts.tsx";
import { addressOf } from "./route.ts";
import { usd } from "./words.ts";

export function Usage() {
  const { value, error, again } = useLoad("usage", (signal) => get<UsageAnswer>("v1/usage", { signal }));
  if (error) return <Failure error={error} again={again} />;
  if (!value) return <Loading what="usage" lines={8} />;
  const { today, month, by_day: days, by_model: models, by_client: clients } = value;
  if (month.requests === 0)
    return (
      <Empty title="Nothing was asked for this month">
        <p>Draw a picture, and its cost stands here.</p>
      </Empty>
    );
  const most = Math.max(...days.map(({ cost }) => cost ?? 0));
  return (
    <div class="list">
      <div class="sums">
        <Sum title="Today" sums={today} />
        <Sum title="This month" sums={month} />
        {value.budgets?.map(({ per, limit, left }) => (
          <section key={per} class="sum" aria-label={`Left, ${per}`}>
            <h2>{per === "total" ? "Left in total" : `Left this ${per}`}</h2>
            <p class="large">{usd(left)}</p>
            <p class="quiet">of {usd(limit)}</p>
          </section>
        ))}
      </div>
      <Table
        title="Day"
        rows={days.toReversed().map(({ date, ...sums }) => ({ name: date, address: { day: date }, ...sums }))}
        most={most}
      />
      <Table title="Model" rows={models.map(({ model, ...sums }) => ({ name: model, address: { model }, ...sums }))} />
      {clients && <Table title="Client" rows={clients.map(({ client, ...sums }) => ({ name: client, address: { client }, ...sums }))} />}
      <p class="quiet">Days are in UTC. A dash is a cost that nobody knows.</p>
    </div>
  );
}

function Sum({ title, sums: { cost, pictures, requests, unpriced_requests: unpriced } }: { title: string; sums: Sums }) {
  return (
    <section class="sum" aria-label={title}>
      <h2>{title}</h2>
      <p class="large">{usd(cost)}</p>
      <p class="quiet">
        {pictures} pictures, {requests} requests{unpriced > 0 ? `, ${unpriced} without a price` : ""}
      </p>
    </section>
  );
}

interface Row extends Sums {
  name: string;
  /** The requests that it stands for. */
  address: Readonly<Record<string, string>>;
}

/** `most` is the greatest cost of a row, where each has a bar. */
function Table({ title, rows, most = 0 }: { title: "Day" | "Model" | "Client"; rows: readonly Row[]; most?: number }) {
  const heading = `By ${title.toLowerCase()}`;
  return (
    <section class="channel" aria-label={heading}>
      <h2>{heading}</h2>
      <DataTable
        label={`Usage ${heading.toLowerCase()}`}
        columns={[title, ...["Requests", "Pictures", "Cost"].map((amount) => ({ amount }))]}
      >
        {rows.map(({ name, address, requests, pictures, cost }) => (
          <tr key={name}>
            <td>
              <a href={addressOf("requests", undefined, address)}>{name}</a>
            </td>
            <td class="amount">{requests}</td>
            <td class="amount">{pictures}</td>
            <td class="amount">
              {most > 0 && <meter max={most} value={cost ?? 0} aria-hidden="true" />} {usd(cost)}
            </td>
          </tr>
        ))}
      </DataTable>
    </section>
  );
}
