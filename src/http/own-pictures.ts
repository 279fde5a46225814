// Finds the stored picture that a URL of this gateway names, so that the gateway does not fetch from itself.
import type { Readable } from "node:stream";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { isStoredId } from "../picture/store.ts";
import type { Gateway } from "./gateway.ts";
import { findPicture, originOf } from "./pictures.ts";

/**
 * Reads the stored picture that a client's URL names; undefined for a URL that is none of those that this client is given, to the letter. `field` is what
 * the client called it. Rejects with a 400 that names it where the picture is no longer kept, and with `StoreAway`.
 */
export type OwnPictures = (url: string, field: string) => Promise<Readable | undefined>;

/** The stored pictures of a request. Everybody who knows the URL may fetch such a picture, and so may use it here. */
export function ownPictures(ctx: Context, gateway: Gateway): OwnPictures {
  const { store } = gateway;
  return async (url, field) => {
    const id = idIn(url, originOf(ctx, gateway));
    if (id === undefined) return undefined;
    const picture = await findPicture(store, id);
    const gone = (cause?: unknown) =>
      new GatewayError("invalid_image_file", `${field} is a picture that is no longer kept here; send the image itself`, {
        param: field,
        cause,
      });
    if (!picture) throw gone();
    return store.read(picture).catch((error: unknown) => {
      throw error instanceof GatewayError && error.code === "not_found" ? gone(error) : error;
    });
  };
}

/** The id in the URL of a stored picture, where URLs begin with `origin`. Users, ports, paths and queries that are not in such a URL make it another one. */
function idIn(text: string, origin: string): string | undefined {
  const url = new URL(text);
  url.hash = "";
  const id = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  const own = `${origin}/images/${id}`;
  return isStoredId(id) && URL.canParse(own) && new URL(own).href === url.href ? id : undefined;
}
