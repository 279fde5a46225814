// Keeps clients from making a provider fetch a URL inside the provider's own network.
import { GatewayError } from "../errors.ts";
import { isPlainlyPrivate } from "../net/public-address.ts";
import type { InputImage } from "../picture/input.ts";
import type { UnifiedRequest } from "../plugin/context.ts";

/** Throws a 400 for an image that would be sent to the provider as a URL with a private address, unless the operator allows such URLs. */
export function judgeImageUrls({ images = [], mask }: Pick<UnifiedRequest, "images" | "mask">): void {
  for (const image of mask ? [...images, mask] : images) if (leadsInside(image)) throw notPublic(image);
}

function leadsInside({ data, mayBePrivate }: InputImage): boolean {
  return data.kind === "url" && !data.own && !mayBePrivate && isPlainlyPrivate(new URL(data.url));
}

function notPublic({ field }: InputImage): GatewayError {
  return new GatewayError(
    "invalid_image_file",
    `${field} is a URL of an address that is not public; give a public one, or the image itself`,
    {
      param: field,
    },
  );
}
