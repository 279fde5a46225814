// Serves stored pictures.
import type { AddressInfo } from "node:net";
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { noPicture, type ByteRange, type PictureStore, type StoredPicture } from "../picture/store.ts";
import { thumbnailOf } from "../picture/thumbnail.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { putInto } from "./write.ts";

/** GET and HEAD /images/{id}: a stored picture's exact bytes, or with `thumbnail=true` a small one. The id is the only secret; no key is needed. */
export async function storedPicture(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const picture = await findPicture(gateway.store, String(ctx.params.id));
  if (!picture) throw noPicture();
  const stored = ctx.query.thumbnail === "true" ? await thumbnailOf(gateway.store, picture) : picture;
  const link = stored === picture ? linkFor(ctx, picture, gateway) : undefined;
  if (link !== undefined) {
    ctx.set("cache-control", "no-store");
    ctx.redirect(link);
    return;
  }
  if (isKnown(ctx, stored)) {
    describe(ctx, stored);
    ctx.status = 304;
    return;
  }
  const range = rangeOf(ctx, stored);
  // Before any header is set: an error is not to be kept like a picture.
  const body = ctx.method === "HEAD" ? undefined : await gateway.store.read(stored, range);
  describe(ctx, stored);
  if (range) {
    ctx.status = 206;
    ctx.set("content-range", `bytes ${range.start}-${range.end}/${stored.bytes}`);
  }
  ctx.length = range ? range.end - range.start + 1 : stored.bytes;
  if (!body) return;
  ctx.respond = false;
  // By hand: a pipe would add listeners to the answer until Node takes them for a leak.
  const put = putInto(ctx.res, (ctx.state as RequestState).signal);
  let left = ctx.length;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    left -= chunk.length;
    // The end goes with the last bytes: a client that closes the connection once it has them all has not hung up.
    if (left > 0) await put(chunk);
    else ctx.res.end(chunk);
  }
  ctx.res.end();
}

/** The stored picture of an id. Documents that are kept beside pictures, such as the request of a job, are found by nobody. */
export async function findPicture(store: Pick<PictureStore, "find">, id: string): Promise<StoredPicture | undefined> {
  const found = await store.find(id);
  return found?.mediaType.startsWith("image/") ? found : undefined;
}

/**
 * A URL at which the store serves the picture itself, for a client that may be sent there. The pages of the gateway load nothing from elsewhere, and a drawing
 * needs the headers that keep its scripts still.
 */
function linkFor(ctx: Context, picture: StoredPicture, { store }: Gateway): string | undefined {
  const isOwnPage = ctx.get("sec-fetch-site") === "same-origin";
  return ctx.method === "HEAD" || isOwnPage || picture.mediaType === "image/svg+xml" ? undefined : store.link?.(picture);
}

/** True where the client has the picture, so that nothing of it has to be read. */
function isKnown(ctx: Context, { etag }: StoredPicture): boolean {
  ctx.status = 200;
  ctx.set({ etag });
  const { fresh } = ctx;
  ctx.remove("etag");
  return fresh;
}

/** The headers of a stored picture. */
function describe(ctx: Context, { mediaType, etag, expires }: StoredPicture): void {
  ctx.status = 200;
  ctx.type = mediaType;
  ctx.set({
    etag,
    "accept-ranges": "bytes",
    "cache-control": `public, max-age=${Math.max(0, Math.floor((expires - Date.now()) / 1000))}, immutable`,
    "x-content-type-options": "nosniff",
    // A drawing may hold scripts: opened by itself it is shown without them, and as nobody's page.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
  });
}

/**
 * The one range that is asked for (RFC 9110, 14.2); undefined where the whole picture is, or several ranges are, or the client knows another picture.
 * Throws a 416 for one that begins behind the end.
 */
function rangeOf(ctx: Context, { bytes, etag }: StoredPicture): ByteRange | undefined {
  const known = ctx.get("if-range");
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(ctx.get("range")) ?? [];
  if (first === undefined || last === undefined || first + last === "" || (known !== "" && known !== etag)) return undefined;
  const start = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? bytes - 1 : Math.min(bytes - 1, Number(last));
  if (first !== "" && last !== "" && Number(last) < start) return undefined;
  if (start <= end) return { start, end };
  ctx.set("content-range", `bytes */${bytes}`);
  throw new GatewayError("invalid_value", "the range is not within the picture", { status: 416 });
}

/** The beginning of a stored picture's URL for this client. HTTP/1.0 has no host header: then it is the dialled address. */
export function originOf(ctx: Context, { publicUrl }: Gateway): string {
  if (publicUrl !== undefined) return publicUrl;
  if (ctx.host !== "") return `${ctx.protocol}://${ctx.host}`;
  const { address, port, family } = ctx.req.socket.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
