// Writes the event that reports a job's end to a webhook.
import type { Delivery } from "../ledger/deliveries.ts";
import { readDocument } from "../ledger/documents.ts";
import type { PictureReference, RequestRow } from "../ledger/row.ts";
import type { PictureStore } from "../picture/store.ts";

/** Event with everything that is said in it, in bytes: the specification asks for less than 20 KB. */
export const largestEvent = 20_000;

/** Message of an error in an event, in characters: a provider's words may be long, and the job has them all. */
export const longestMessage = 1000;

/** The event of a delivery, as `client.webhooks.unwrap` of OpenAI's SDKs reads it. `publicUrl` is where URLs of stored pictures begin. */
export async function jobEvent(
  { id, type, createdAt }: Delivery,
  row: RequestRow,
  { store, publicUrl }: { store: PictureStore; publicUrl?: string },
): Promise<string> {
  const origin = publicUrl ?? (await originOf(row, store));
  const pictures = row.pictures?.flatMap((picture) => linked(picture, origin));
  const event = (data: object) =>
    JSON.stringify({
      id,
      object: "event",
      created_at: Math.floor(createdAt / 1000),
      type,
      timestamp: new Date(createdAt).toISOString(),
      data: {
        id: row.id,
        object: "image.job",
        status: type.slice("image.job.".length),
        model: row.model,
        created_at: Math.floor(row.createdAt / 1000),
        ...data,
      },
    });
  if (row.error) {
    const { error } = row.error;
    return event({ error: { ...error, message: error.message.slice(0, longestMessage) } });
  }
  const whole = event({ pictures });
  // A provider's own URLs may be of any length; the job has them.
  return Buffer.byteLength(whole) < largestEvent ? whole : event({});
}

function linked({ stored, url, mediaType, width, height }: PictureReference, origin: string | undefined): object[] {
  const link = url ?? (stored !== undefined && origin !== undefined ? `${origin}/images/${stored}` : undefined);
  return link === undefined ? [] : [{ url: link, media_type: mediaType, width, height }];
}

/** The address at which the client sent its request; undefined where what it asked for is no longer kept. */
async function originOf({ input }: RequestRow, store: PictureStore): Promise<string | undefined> {
  const asked = input === undefined ? undefined : ((await readDocument(store, input)) as { origin?: string } | undefined);
  return asked?.origin;
}
