// Draw: a form made of the model's schema, and the picture beside it.
import { useEffect, useState } from "preact/hooks";
import { get, type ApiError } from "./api.ts";
import { remember } from "./asked.ts";
import { draft, write, type Draft } from "./draft.ts";
import { FieldInput } from "./field.tsx";
import { Job } from "./job.tsx";
import { asApiError, useLoad } from "./load.ts";
import type { Estimate, MatrixRow, Page, RequestRow } from "./model.ts";
import { ModelChoice } from "./model-choice.tsx";
import { asJson, ask, begin, orderOf, type Order } from "./order.ts";
import { Empty, Failure, Loading } from "./parts.tsx";
import { Picture } from "./picture.tsx";
import { References } from "./references.tsx";
import { addressOf, go } from "./route.ts";
import { describedIn, fieldsOf, type Field, type Schema } from "./schema.ts";
import { session } from "./session.ts";
import { useStore } from "./store.ts";
import { costText, Views } from "./views.tsx";

/** Fields that are always shown; the others are there when they are wanted. */
const always = new Set(["size", "n", "quality"]);

export function Draw({ id }: { id: string | undefined }) {
  const matrix = useLoad("matrix", (signal) => get<{ data: MatrixRow[] }>("v1/models/matrix", { signal }));
  const { scope } = useStore(session) ?? {};
  if (matrix.error) return <Failure error={matrix.error} again={matrix.again} />;
  if (!matrix.value) return <Loading what="the models" lines={8} />;
  if (matrix.value.data.length === 0)
    return (
      <Empty title="There is no model">
        <p>No channel is on that this key may use. A channel is on as soon as its provider's key is set.</p>
      </Empty>
    );
  if (scope === "all")
    return (
      <div class="list">
        <p class="quiet">The operator's key orders nothing: this shows what would become of a request. With a client key it is drawn.</p>
        <Form rows={matrix.value.data} orders={false} />
      </div>
    );
  return (
    <div class="draw">
      <Form rows={matrix.value.data} orders />
      <div class="outcome">
        {id === undefined ? <Before /> : <Job id={id} />}
        <Recent current={id} />
      </div>
    </div>
  );
}

/** The place of the picture before it is ordered: the one that it starts from, where there is one. */
function Before() {
  const {
    images: [first],
  } = useStore(draft);
  if (!first)
    return (
      <Empty title="Nothing is drawn yet">
        <p>Say what the picture should show, and draw it.</p>
      </Empty>
    );
  return (
    <figure class="before">
      <img src={first.url} alt={`To be edited: ${first.name}`} />
      <figcaption class="quiet">Say in the prompt what this picture should become. A mask says where it may change.</figcaption>
    </figure>
  );
}

/** The form; `orders` where the key may have pictures made. */
function Form({ rows, orders }: { rows: readonly MatrixRow[]; orders: boolean }) {
  const form = useStore(draft);
  const row = rows.find(({ id }) => id === form.model) ?? rows[0];
  const model = row?.id ?? "";
  const schema = useLoad(model, (signal) =>
    get<Schema>(`v1/models/${model.split("/").map(encodeURIComponent).join("/")}/schema`, { signal }),
  );
  const fields = schema.value ? fieldsOf(schema.value).filter(({ name, max }) => isOfUse(name, row) && (name !== "n" || max !== 1)) : [];
  const { order, problem } = orderIn({ ...form, model }, fields, row);
  const { cost, refused } = useEstimate(order);
  const [error, setError] = useState<ApiError>();
  const [isSending, setSending] = useState(false);
  const send = async () => {
    if (!order || !orders) return;
    setSending(true);
    setError(undefined);
    try {
      const id = await begin(order);
      remember(id, order.fields);
      go(addressOf("draw", id));
    } catch (thrown) {
      setError(asApiError(thrown));
    }
    setSending(false);
  };
  const wrongIn = (name: string) =>
    problem?.field === name ? problem.message : [error, refused].find((one) => one?.param === name)?.message;
  return (
    <form
      class="form"
      aria-label="Picture"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
      }}
    >
      <ModelChoice rows={rows} chosen={model} choose={(id) => write({ model: id })} />
      <Prompt prompt={form.prompt} longest={schema.value && describedIn(schema.value, "prompt").maxLength} wrong={wrongIn("prompt")} />
      {row?.operations.includes("edit") && (
        <References images={form.images} mask={form.mask} lost={form.lost} most={row.input_images ?? 16} takesMask={row.mask} />
      )}
      {schema.error && <Failure error={schema.error} again={schema.again} />}
      {!schema.value && !schema.error && <Loading what="the model's fields" />}
      <Fields key={model} {...{ fields, written: form.fields, wrongIn }} />
      {row?.streams && (
        <label class="check" title="Some providers bill unfinished pictures.">
          <input type="checkbox" checked={form.isWatched} onChange={({ currentTarget }) => write({ isWatched: currentTarget.checked })} />
          Show it while it is drawn
        </label>
      )}
      <p class="line">
        {orders && (
          <button type="submit" class="main" disabled={isSending || !order || form.prompt.trim() === ""}>
            {isSending ? "Sending…" : form.images.length > 0 ? "Edit" : "Draw"}
          </button>
        )}
        <span class="quiet" aria-live="polite">
          {cost}
        </span>
      </p>
      {error && <Failure error={error} />}
      {!error && refused && <p class="wrong">{refused.message}</p>}
      {order && (
        <details open={!orders}>
          <summary>{orders ? "This request elsewhere" : "What becomes of it"}</summary>
          <Views order={order} first={orders ? "curl" : "Provider"} />
        </details>
      )}
    </form>
  );
}

/** False for a field that no channel of the model has a use for. */
function isOfUse(name: string, row: MatrixRow | undefined): boolean {
  const lists: Readonly<Record<string, readonly string[] | undefined>> = {
    quality: row?.qualities,
    output_format: row?.formats,
    background: row?.backgrounds,
  };
  return lists[name]?.length !== 0;
}

interface FieldsProps {
  fields: readonly Field[];
  written: Draft["fields"];
  wrongIn: (name: string) => string | undefined;
}

/** The model's fields: the usual ones, and the others for those who look for them. */
function Fields({ fields, written, wrongIn }: FieldsProps) {
  const input = (field: Field) => (
    <FieldInput
      key={field.name}
      field={field}
      written={written[field.name] ?? ""}
      wrong={wrongIn(field.name)}
      write={(text) => write({ fields: { ...draft.value.fields, [field.name]: text } })}
    />
  );
  const others = fields.filter(({ name }) => !always.has(name));
  const used = others.filter(({ name }) => written[name]).length;
  return (
    <>
      <div class="grid">{fields.filter(({ name }) => always.has(name)).map(input)}</div>
      {others.length > 0 && (
        <details>
          <summary>More fields{used > 0 && <span class="quiet"> {used} used</span>}</summary>
          <div class="grid">{others.map(input)}</div>
        </details>
      )}
    </>
  );
}

function Prompt({ prompt, longest, wrong }: { prompt: string; longest: number | undefined; wrong: string | undefined }) {
  return (
    <div class={`field ${wrong === undefined ? "" : "is-wrong"}`}>
      <label for="prompt">Prompt</label>
      <textarea
        id="prompt"
        rows={4}
        maxLength={longest}
        required
        placeholder="a lighthouse at dusk, seen from the sea"
        value={prompt}
        onInput={({ currentTarget }) => write({ prompt: currentTarget.value })}
      />
    </div>
  );
}

function orderIn(
  form: Draft,
  fields: readonly Field[],
  row: MatrixRow | undefined,
): { order?: Order; problem?: { field: string; message: string } } {
  try {
    return { order: orderOf(form, fields, row) };
  } catch (error) {
    const field = fields.find(({ kind, name }) => kind === "json" && form.fields[name])?.name ?? "";
    return { problem: { field, message: `This is no JSON: ${(error as Error).message}` } };
  }
}

/** Milliseconds after the last change until the cost is asked for. */
const pause = 500;

/** The cost of the order, in words, or the gateway's objection to it. */
function useEstimate(order: Order | undefined): { cost: string; refused?: ApiError } {
  const [state, setState] = useState<{ cost: string; refused?: ApiError }>({ cost: "" });
  const key = order && order.fields.prompt !== "" ? asJson(order) + String(order.mask?.size) : "";
  useEffect(() => {
    if (!order || key === "") {
      setState({ cost: "" });
      return;
    }
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      ask<Estimate>(order, "v1/images/estimate", aborter.signal).then(
        ({ cost }) => setState({ cost: cost === null ? "no price is known" : `costs ${costText(cost)}` }),
        (error: unknown) => {
          if (!aborter.signal.aborted) setState({ cost: "", refused: asApiError(error) });
        },
      );
    }, pause);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [key]);
  return state;
}

/** The latest requests, so that none is lost. */
function Recent({ current }: { current: string | undefined }) {
  const { value } = useLoad("recent", (signal) => get<Page<RequestRow>>("v1/requests?limit=12", { signal }), { every: 5_000 });
  const shown = value?.data.filter(({ id, job }) => job && id !== current) ?? [];
  if (shown.length === 0) return null;
  return (
    <nav class="recent" aria-label="Latest">
      {shown.map(({ id, status, model, pictures }) => (
        <a key={id} href={addressOf("draw", id)} title={`${model}, ${status}`}>
          {pictures?.[0] ? (
            <Picture picture={{ url: pictures[0].url }} alt={`${model}, ${status}`} />
          ) : (
            <span>{status.replaceAll("_", " ")}</span>
          )}
        </a>
      ))}
    </nav>
  );
}
