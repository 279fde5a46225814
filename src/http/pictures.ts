// Serves stored pictures.
import { basename, dirname } from "node:path";
import type { AddressInfo } from "node:net";
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { thumbnailOf } from "../picture/thumbnail.ts";
import type { Gateway } from "./gateway.ts";

/** GET and HEAD /images/{id}: a stored picture's exact bytes, or with `thumbnail=true` a small one. The id is the only secret; no key is needed. */
export async function storedPicture(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const picture = await gateway.store.find(String(ctx.params.id));
  // Documents that are kept beside pictures, such as the request of a job, are never served here.
  if (!picture?.mediaType.startsWith("image/")) throw new GatewayError("not_found", "there is no such picture, or its life is over");
  const stored = ctx.query.thumbnail === "true" ? await thumbnailOf(gateway.store, picture) : picture;
  const seconds = Math.max(0, Math.floor((stored.expires - Date.now()) / 1000));
  ctx.status = 200;
  ctx.type = stored.mediaType;
  ctx.set({
    etag: stored.etag,
    "cache-control": `public, max-age=${seconds}, immutable`,
    "x-content-type-options": "nosniff",
    // A drawing may hold scripts: opened by itself it is shown without them, and as nobody's page.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
  });
  const { default: sendFile } = await import("send");
  ctx.respond = false;
  await new Promise<void>((resolve, reject) => {
    ctx.res.once("close", resolve);
    sendFile(ctx.req, basename(stored.file), { root: dirname(stored.file), cacheControl: false, lastModified: false })
      .on("error", (error: NodeJS.ErrnoException & { status?: number }) => {
        // An error is not the picture, and not to be kept like it.
        for (const header of ["etag", "cache-control"]) ctx.remove(header);
        reject(
          error.status === 416
            ? new GatewayError("invalid_value", "the range is not within the picture", { status: 416, cause: error })
            : new GatewayError("not_found", "there is no such picture, or its life is over", { cause: error }),
        );
      })
      .pipe(ctx.res);
  });
}

/** The beginning of a stored picture's URL for this client. HTTP/1.0 has no host header: then it is the dialled address. */
export function originOf(ctx: Context, { publicUrl }: Gateway): string {
  if (publicUrl !== undefined) return publicUrl;
  if (ctx.host !== "") return `${ctx.protocol}://${ctx.host}`;
  const { address, port, family } = ctx.req.socket.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
