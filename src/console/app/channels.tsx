// Channels: how each stands, what its models cost, and how they have been doing.
import { useState } from "preact/hooks";
import { call, get } from "./api.ts";
import { useLoad } from "./load.ts";
import type { ChannelRow, MatrixRow } from "./model.ts";
import { DataTable, Empty, Failure, Loading, State } from "./parts.tsx";
import { addressOf } from "./route.ts";
import { session } from "./session.ts";
import { useStore } from "./store.ts";
import { costText } from "./views.tsx";
import { secondsText } from "./words.ts";

/** Milliseconds between two looks. */
const every = 5_000;

export function Channels() {
  const { scope } = useStore(session) ?? {};
  return scope === "all" ? <All /> : <Own />;
}

/** The channels as anybody may know them: which are on, and which models they serve. */
function Own() {
  const ready = useLoad("ready", (signal) => get<{ channels: ChannelRow[] }>("readyz", { signal }), { every });
  const matrix = useLoad("matrix", (signal) => get<{ data: MatrixRow[] }>("v1/models/matrix", { signal }));
  const error = ready.error ?? matrix.error;
  if (error) return <Failure error={error} again={ready.again} />;
  if (!ready.value || !matrix.value) return <Loading what="channels" lines={8} />;
  const { data } = matrix.value;
  const channels = ready.value.channels.map((channel) => ({
    ...channel,
    models: data
      .filter((row) => row.channels.some(({ name }) => name === channel.name))
      .map(({ id, operations, shutdown_date, instead }) => ({ id, operations, shutdown_date, instead })),
  }));
  return (
    <div class="list">
      <p class="quiet">With the operator's key: reasons, cool-downs, prices, success and seconds.</p>
      <List channels={channels} />
    </div>
  );
}

function All() {
  const { value, error, again } = useLoad(
    "channels",
    (signal) => get<{ data: ChannelRow[]; problems: string[] }>("admin/channels", { signal }),
    { every },
  );
  if (error) return <Failure error={error} again={again} />;
  if (!value) return <Loading what="channels" lines={8} />;
  return (
    <div class="list">
      {value.problems.length > 0 && (
        <div class="failure" role="alert">
          <p>
            <strong>Some files are wrong, and not in force</strong>
          </p>
          {value.problems.map((problem) => (
            <pre key={problem}>{problem}</pre>
          ))}
        </div>
      )}
      <Slowest channels={value.data} />
      <List channels={value.data} again={again} />
    </div>
  );
}

/** The models that were asked for on the last day, over all channels, the slowest first. */
function Slowest({ channels }: { channels: readonly ChannelRow[] }) {
  const used = channels
    .flatMap(({ name, models }) => models.map((model) => ({ channel: name, ...model })))
    .filter(({ completed = 0, failed = 0 }) => completed + failed > 0)
    .toSorted((one, other) => (other.seconds ?? 0) - (one.seconds ?? 0));
  if (used.length < 2) return null;
  return (
    <section class="channel" aria-label="Last day">
      <h2>Last day, slowest first</h2>
      <DataTable label="Models of the last day" columns={["Channel", "Model", { amount: "Success" }, { amount: "Seconds" }]}>
        {used.map(({ channel, id, completed = 0, failed = 0, seconds }) => (
          <tr key={`${channel} ${id}`}>
            <td>{channel}</td>
            <td>
              <a href={addressOf("requests", undefined, { channel, model: id })}>{id}</a>
            </td>
            <td class="amount">{shareText(completed, failed)}</td>
            <td class="amount">{secondsText(seconds)}</td>
          </tr>
        ))}
      </DataTable>
    </section>
  );
}

const order = ["broken", "resting", "on", "off"];

function List({ channels, again }: { channels: readonly ChannelRow[]; again?: () => void }) {
  const [showsOff, setShowsOff] = useState(false);
  const off = channels.filter(({ state }) => state === "off");
  const shown = channels
    .filter(({ state }) => showsOff || state !== "off")
    .toSorted((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
  return (
    <>
      {shown.length === 0 && (
        <Empty title="No channel is on">
          <p>A channel is on as soon as its provider's key is set.</p>
        </Empty>
      )}
      {shown.map((channel) => (
        <Channel key={channel.name} channel={channel} again={again} />
      ))}
      {off.length > 0 && (
        <p>
          <button type="button" aria-pressed={showsOff} onClick={() => setShowsOff(!showsOff)}>
            {showsOff ? "Hide" : "Show"} {off.length} that {off.length === 1 ? "is" : "are"} off
          </button>
        </p>
      )}
    </>
  );
}

function Channel({ channel, again }: { channel: ChannelRow; again: (() => void) | undefined }) {
  const { name, state, reason, file, resting = [], models, in_flight: inFlight, waiting } = channel;
  const clear = async () => {
    await call(`admin/channels/${encodeURIComponent(name)}/clear`, { method: "POST" });
    again?.();
  };
  return (
    <section class="channel" aria-label={name}>
      <div class="line">
        <h2>{name}</h2>
        <State name={state} />
        {reason !== undefined && <span class="quiet">{reason}</span>}
        {file && <span class="bad">its file is broken; its last good version serves</span>}
        <span class="space" />
        {inFlight !== undefined && (
          <span class="quiet number">
            {inFlight} under way{waiting ? `, ${waiting} waiting` : ""}
          </span>
        )}
      </div>
      {resting.length > 0 && (
        <p class="line">
          <span class="warn">{resting.map(({ what, seconds }) => `${what} rests for ${secondsText(seconds)}`).join(", ")}</span>
          {again && (
            <button type="button" onClick={() => void clear()}>
              Lift
            </button>
          )}
        </p>
      )}
      {models.length > 0 && <Models channel={name} models={models} />}
    </section>
  );
}

function Models({ channel, models }: { channel: string; models: ChannelRow["models"] }) {
  const isKnown = models.some(({ completed }) => completed !== undefined);
  return (
    <DataTable
      label={`Models of ${channel}`}
      columns={["Model", "Can", ...(isKnown ? ["A picture", "Success, last day", "Seconds"].map((amount) => ({ amount })) : []), "Life"]}
    >
      {models.map(({ id, operations, price, completed = 0, failed = 0, seconds, shutdown_date: end, instead }) => (
        <tr key={id}>
          <td>
            <a href={addressOf("requests", undefined, { channel, model: id })}>{id}</a>
          </td>
          <td>{operations.join(", ")}</td>
          {isKnown && (
            <>
              <td class="amount">{price ? costText(price) : "–"}</td>
              <td class="amount">{shareText(completed, failed)}</td>
              <td class="amount">{secondsText(seconds)}</td>
            </>
          )}
          <td>{end === undefined ? "" : `until ${end}${instead === undefined ? "" : `, then ${instead}`}`}</td>
        </tr>
      ))}
    </DataTable>
  );
}

function shareText(completed: number, failed: number): string {
  const all = completed + failed;
  return all === 0 ? "–" : `${Math.round((100 * completed) / all)} % of ${all}`;
}
