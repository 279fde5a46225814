// Keys: who may ask for pictures, and how much they may spend.
import { useState } from "preact/hooks";
import { call, get, urlOf, type ApiError } from "./api.ts";
import { asApiError, useLoad } from "./load.ts";
import type { KeyRow } from "./model.ts";
import { Code, DataTable, Failure, Loading, State } from "./parts.tsx";
import { addressOf } from "./route.ts";
import { usd } from "./words.ts";

export function Keys() {
  const { value, error, again } = useLoad("keys", (signal) => get<{ data: KeyRow[] }>("admin/keys", { signal }));
  const [made, setMade] = useState<{ name: string; key: string }>();
  const [wrong, setWrong] = useState<ApiError>();
  const change = async (work: () => Promise<void>) => {
    setWrong(undefined);
    try {
      await work();
      again();
    } catch (thrown) {
      setWrong(asApiError(thrown));
    }
  };
  const revoke = (name: string) =>
    change(async () => {
      await call(`admin/keys/${encodeURIComponent(name)}`, { method: "DELETE" });
      if (made?.name === name) setMade(undefined);
    });
  return (
    <div class="list">
      <Add add={(body) => change(async () => setMade(await get("admin/keys", asJson(body))))} />
      {wrong && <Failure error={wrong} />}
      {made && (
        <section class="channel" aria-label="The new key" role="status">
          <p>
            The key of <strong>{made.name}</strong>. It is shown this once: copy it now. It draws here, and programs use it at{" "}
            <code>{urlOf("v1")}</code>.
          </p>
          <Code label="the key" text={made.key} />
        </section>
      )}
      {error && <Failure error={error} again={again} />}
      {!value && !error && <Loading what="keys" />}
      {value && <Table keys={value.data} revoke={(name) => void revoke(name)} />}
    </div>
  );
}

const asJson = (body: object) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

function Add({ add }: { add: (body: object) => Promise<void> }) {
  const submit = async (form: HTMLFormElement) => {
    const { name, usd: amount, per, models } = Object.fromEntries(new FormData(form)) as Record<string, string>;
    const patterns = (models ?? "").split(/[\s,]+/).filter(Boolean);
    await add({
      name,
      ...(amount !== "" && { budget: { usd: Number(amount), per } }),
      ...(patterns.length > 0 && { models: patterns }),
    });
    form.reset();
  };
  return (
    <form
      class="filters"
      aria-label="New key"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(event.currentTarget);
      }}
    >
      <div class="field">
        <label for="key-name">Name</label>
        <input id="key-name" name="name" required autocomplete="off" pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" placeholder="a-friend" />
      </div>
      <div class="field">
        <label for="key-usd">Budget in USD</label>
        <input id="key-usd" name="usd" type="number" min="0" step="any" placeholder="none" />
      </div>
      <div class="field">
        <label for="key-per">Per</label>
        <select id="key-per" name="per">
          <option value="total">in total</option>
          <option value="month">month</option>
          <option value="day">day</option>
        </select>
      </div>
      <div class="field">
        <label for="key-models">Models</label>
        <input id="key-models" name="models" placeholder="all" />
      </div>
      <button type="submit" class="main">
        Add a key
      </button>
    </form>
  );
}

function Table({ keys, revoke }: { keys: readonly KeyRow[]; revoke: (name: string) => void }) {
  const [asked, setAsked] = useState<string>();
  return (
    <DataTable label="Keys" columns={["Name", "Begins", "State", "Budget", "Models", "Stands in", ""]}>
      {keys.map(({ name, source, status, begins, budget, models }) => (
        <tr key={name}>
          <td>
            {/* Requests name a client of PICTOR_API_KEYS otherwise. */}
            {source === "ledger" || source === "gateway.yaml" ? (
              <a href={addressOf("requests", undefined, { client: name })}>{name}</a>
            ) : (
              name
            )}
          </td>
          <td>
            <code>{begins}</code>
          </td>
          <td>{status !== undefined && <State name={status} />}</td>
          <td>
            {[budget ?? []]
              .flat()
              .map(({ usd: amount, per }) => `${usd(amount)} ${per === "total" ? "in total" : `a ${per}`}`)
              .join(", ") || (source === "ledger" ? "none" : "")}
          </td>
          <td class="wide">{models?.join(", ") ?? (source === "ledger" ? "all" : "")}</td>
          <td>{source}</td>
          <td class="amount">
            {source === "ledger" && (
              <button type="button" onClick={() => (asked === name ? revoke(name) : setAsked(name))} onBlur={() => setAsked(undefined)}>
                {asked === name ? `Really revoke ${name}` : "Revoke"}
              </button>
            )}
          </td>
        </tr>
      ))}
    </DataTable>
  );
}
