// The outcome of a request: its pictures, beside what was asked for.
import type { ComponentChildren } from "preact";
import { ApiError, get } from "./api.ts";
import { askedFor } from "./asked.ts";
import { Changes } from "./changes.tsx";
import { imagesOf, write } from "./draft.ts";
import { useLoad } from "./load.ts";
import type { RequestRow, ShownPicture } from "./model.ts";
import { Facts, Failure, Loading, State } from "./parts.tsx";
import { fileOf, Picture, pictureUrl, storedId } from "./picture.tsx";
import { addressOf, go } from "./route.ts";
import { session } from "./session.ts";
import { useStore } from "./store.ts";
import { bytesText, momentText, secondsText, usd, valueText } from "./words.ts";

/** The request of this id. One that goes on is looked at again. */
export function Result({ id }: { id: string }) {
  const { value, error, again } = useLoad(id, (signal) => get<RequestRow>(`v1/requests/${encodeURIComponent(id)}`, { signal }));
  if (error) return <Failure error={error} again={again} />;
  if (!value) return <Loading what="the request" lines={6} />;
  return (
    <article class="result">
      <Pictures row={value} />
      <Story row={value} />
    </article>
  );
}

function Pictures({ row }: { row: RequestRow }) {
  const { pictures = [], error, status, http_status: answered } = row;
  if (error) {
    const { message, code, param } = error;
    return <Failure error={new ApiError(message, { status: answered ?? 500, code: code ?? "unknown", param: param ?? undefined })} />;
  }
  if (pictures.length === 0) return <p class="gone">{status === "completed" ? "No picture came" : "There is no picture"}</p>;
  return (
    <div class={`pictures of-${Math.min(pictures.length, 4)}`}>
      {pictures.map((picture, index) => (
        <figure key={picture.url ?? index}>
          <Picture picture={picture} alt={altOf(row, index)} isWhole />
          <Actions picture={picture} row={row} />
        </figure>
      ))}
    </div>
  );
}

export function altOf({ id, model }: RequestRow, index: number): string {
  const prompt = askedFor(id)?.prompt;
  return prompt === undefined ? `Picture ${index + 1} of ${model}` : valueText(prompt);
}

function Actions({ picture: { url, width, height, bytes }, row }: { picture: ShownPicture; row: RequestRow }) {
  const id = storedId(url);
  const orders = useStore(session)?.scope === "own";
  const edit = async (stored: string) => {
    write({ images: imagesOf([await fileOf(stored)]), model: row.model });
    go("#/draw");
  };
  return (
    <figcaption class="line">
      <span class="number">
        {width === undefined ? "" : `${width} × ${height}`} <span class="quiet">{bytesText(bytes)}</span>
      </span>
      {id !== undefined && (
        <>
          <a class="button" href={pictureUrl(id)} download={`${row.id}.png`}>
            Download
          </a>
          {orders && (
            <button type="button" onClick={() => void edit(id)}>
              Edit
            </button>
          )}
        </>
      )}
      {orders && (
        <button type="button" onClick={() => drawAgain(row)}>
          Use again
        </button>
      )}
    </figcaption>
  );
}

/** Put what was asked for into the form: all of it where this tab knows it, else what the gateway keeps. */
function drawAgain({ id, model, n }: RequestRow): void {
  const { prompt, model: own = model, ...fields } = askedFor(id) ?? {};
  const texts = Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  write({
    model: typeof own === "string" ? own : model,
    ...(typeof prompt === "string" && { prompt }),
    fields: texts.length > 0 ? (Object.fromEntries(texts) as Record<string, string>) : n > 1 ? { n: String(n) } : {},
  });
  go("#/draw");
}

/** The ways in which a cost is found, in words. */
const costWords: Readonly<Record<string, string>> = {
  nothing: "since nothing was made",
  provider: "by the provider's bill",
  usage: "by the tokens used",
  pictures: "by the pictures made",
  request: "by the pictures asked for",
  uncertain: "at most: nobody knows whether anything was made",
};

/** The change of the size; undefined where there was none. */
export const sizeChange = ({ changes }: RequestRow) => changes?.find(({ field }) => field === "size");

/** True for a picture of other pixels, or of another shape, than was asked for. */
function isOtherThan(asked: unknown, width = 0, height = 0): boolean {
  const [, one = "", sign, other = ""] = (typeof asked === "string" && /^(\d+)([x:])(\d+)/.exec(asked)) || [];
  if (sign === undefined || width === 0 || height === 0) return false;
  if (sign === "x") return Number(one) !== width || Number(other) !== height;
  // Providers round to whole blocks of pixels.
  return Math.abs((width * Number(other)) / (height * Number(one)) - 1) > 0.05;
}

/** The reason for another size than the one that was asked for. */
function reasonForSize(row: RequestRow, asked: unknown): string | undefined {
  const { from } = sizeChange(row) ?? {};
  const channel = row.channel ?? "the channel";
  if (from === undefined) {
    const isOther = row.pictures?.some(({ width, height }) => isOtherThan(asked, width, height)) ?? false;
    return isOther ? `nothing was changed on the way: the provider of ${channel} made it in this size` : undefined;
  }
  if (typeof from !== "string") return undefined;
  if (from.includes(":")) return `${from} is a shape, and ${channel} takes pixels: these are the ones that it has for this shape`;
  return `${channel} does not make ${from}: this is the size that it makes in its place`;
}

/** All that is known of how a request went. */
function Story({ row }: { row: RequestRow }) {
  const asked = askedFor(row.id);
  const sizes = [...new Set(row.pictures?.map(({ width, height }) => (width === undefined ? "" : `${width}x${height}`)).filter(Boolean))];
  const size = sizeChange(row)?.from ?? asked?.size;
  const revised = row.result?.data?.[0]?.revised_prompt;
  const facts: [string, ComponentChildren][] = [
    ["Request", <code key="id">{row.id}</code>],
    ["State", <State key="state" name={row.uncertain ? "uncertain" : row.status} />],
    ["Prompt", typeof asked?.prompt === "string" ? asked.prompt : undefined],
    ["Prompt that was drawn", revised],
    [
      "Model",
      <a key="model" href={addressOf("requests", undefined, { model: row.model })}>
        {row.model}
      </a>,
    ],
    ["Size", size === undefined ? sizes.join(", ") : `${valueText(size)} asked, ${sizes.join(", ") || "nothing"} made`],
    ["Pictures", row.made === undefined ? `${row.n} asked` : `${row.n} asked, ${row.made} made`],
    ["Changes", row.changes && row.changes.length > 0 ? <Changes key="changes" changes={row.changes} /> : "none"],
    ["Why that size", reasonForSize(row, asked?.size)],
    ["Attempts", row.attempts === undefined ? row.channel : <Attempts key="attempts" attempts={row.attempts} />],
    ["Begun", momentText(row.created_at)],
    ["Took", secondsText(row.seconds)],
    [
      "Cost",
      row.cost === undefined ? "nobody knows: its channel has no price" : `${usd(row.cost)}, ${costWords[row.cost_from ?? ""] ?? ""}`,
    ],
    ["Usage", row.usage === undefined ? undefined : <code key="usage">{JSON.stringify(row.usage)}</code>],
    ["Client", row.client],
    [
      "Repeats",
      row.repeats === undefined ? undefined : (
        <a key="repeats" href={addressOf("requests", row.repeats)}>
          {row.repeats}
        </a>
      ),
    ],
    ["Trace", row.trace_id === undefined ? undefined : <code key="trace">{row.trace_id}</code>],
    ["Known until", momentText(row.expires_at)],
  ];
  return <Facts facts={facts} />;
}

/** Each channel that was tried, with how that ended. */
function Attempts({ attempts }: { attempts: string }) {
  return (
    <ol class="attempts">
      {attempts.split(", ").map((attempt, index) => {
        const [channel = "", ...ending] = attempt.split(" ");
        const how = ending.join(" ");
        return (
          <li key={index}>
            <a href={addressOf("channels")}>{channel}</a> <span class={how === "ok" ? "good" : "bad"}>{how.replaceAll("_", " ")}</span>
          </li>
        );
      })}
    </ol>
  );
}
