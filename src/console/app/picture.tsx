// Shows pictures that the gateway keeps.
import { useState } from "preact/hooks";
import { urlOf } from "./api.ts";
import type { ShownPicture } from "./model.ts";

/** The id of a picture that this gateway keeps; undefined for one elsewhere. */
export function storedId(url: string | undefined): string | undefined {
  return url === undefined ? undefined : /\/images\/([\w-]{32})$/.exec(url)?.[1];
}

/** The address under which this page may show it: the gateway's own, whatever name clients know the gateway by. */
export const pictureUrl = (id: string) => urlOf(`images/${id}`);

/** The address of a small one of it. */
export const thumbnailUrl = (id: string) => urlOf(`images/${id}?thumbnail=true`);

interface Props {
  picture: ShownPicture;
  alt: string;
  /** The picture itself, and not a small one. */
  isWhole?: boolean;
}

/** A picture in the room that it takes. Where it is no longer there, it says so. */
export function Picture({ picture: { url, width, height }, alt, isWhole = false }: Props) {
  const [isGone, setGone] = useState(false);
  const id = storedId(url);
  if (id === undefined && url !== undefined)
    return (
      <p class="gone">
        Its provider keeps it:{" "}
        <a href={url} target="_blank" rel="noreferrer noopener">
          open it there
        </a>
      </p>
    );
  if (id === undefined || isGone) return <p class="gone">No longer stored</p>;
  return (
    <img
      src={isWhole ? pictureUrl(id) : thumbnailUrl(id)}
      alt={alt}
      width={width}
      height={height}
      loading={isWhole ? "eager" : "lazy"}
      decoding="async"
      onError={() => setGone(true)}
    />
  );
}

/** The bytes of a picture that the gateway keeps, as a file to start from. */
export async function fileOf(id: string): Promise<File> {
  const blob = await (await fetch(pictureUrl(id))).blob();
  return new File([blob], `${id.slice(0, 8)}.${blob.type.split("/")[1] ?? "png"}`, { type: blob.type });
}
