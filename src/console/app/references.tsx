// Takes pictures to start from: by a file, by dropping them, or from the clipboard.
import { useEffect, useState } from "preact/hooks";
import { draft, imagesOf, write, type Draft } from "./draft.ts";
import { MaskEditor } from "./mask.tsx";

interface Props {
  images: Draft["images"];
  mask: Blob | undefined;
  lost: number;
  most: number;
  takesMask: boolean;
}

/** Add pictures, as far as the model takes so many. */
function add(files: Iterable<File>, most: number): void {
  write({ images: [...draft.value.images, ...imagesOf(files)].slice(0, most) });
}

export function References({ images, mask, lost, most, takesMask }: Props) {
  const [isOver, setOver] = useState(false);
  const [isMasking, setMasking] = useState(false);
  useEffect(() => {
    const paste = ({ clipboardData }: ClipboardEvent) => {
      if (clipboardData && clipboardData.files.length > 0) add(clipboardData.files, most);
    };
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, [most]);
  const [first] = images;
  return (
    <fieldset
      class={`references ${isOver ? "is-over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        add(event.dataTransfer?.files ?? [], most);
      }}
    >
      <legend>Pictures to start from</legend>
      <Strip images={images} isMasked={mask !== undefined} />
      {lost > 0 && (
        <p class="warn" role="status">
          {lost === 1 ? "The picture was" : `The ${lost} pictures were`} too large to be kept while the page was loaded again: add{" "}
          {lost === 1 ? "it" : "them"} once more.
        </p>
      )}
      <div class="pair">
        <label class="button">
          <input
            type="file"
            class="unseen"
            accept="image/*"
            multiple={most > 1}
            disabled={images.length >= most}
            onChange={({ currentTarget }) => {
              add(currentTarget.files ?? [], most);
              currentTarget.value = "";
            }}
          />
          Add a picture
        </label>
        {first && takesMask && (
          <button type="button" onClick={() => setMasking(true)}>
            {mask ? "Change the mask" : "Draw a mask"}
          </button>
        )}
        <span class="quiet">or drop or paste {most > 1 ? `up to ${most}` : "one"}</span>
      </div>
      {isMasking && first && (
        <MaskEditor
          image={first}
          done={(drawn) => {
            setMasking(false);
            if (drawn !== "as it was") write({ mask: drawn });
          }}
        />
      )}
    </fieldset>
  );
}

function Strip({ images, isMasked }: { images: Draft["images"]; isMasked: boolean }) {
  if (images.length === 0) return null;
  return (
    <ul class="strip">
      {images.map((image, index) => (
        <li key={image.url}>
          <img src={image.url} alt={image.name} />
          <button
            type="button"
            class="remove"
            aria-label={`Remove ${image.name}`}
            onClick={() => write({ images: images.filter((other) => other !== image) })}
          >
            ×
          </button>
          {index === 0 && isMasked && <span class="tag">masked</span>}
        </li>
      ))}
    </ul>
  );
}
