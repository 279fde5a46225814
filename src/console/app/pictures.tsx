// Pictures: a gallery of all that was made, of which only what is seen is there.
import { useEffect, useRef, useState } from "preact/hooks";
import type { RequestRow, ShownPicture } from "./model.ts";
import { Empty, Failure, Loading } from "./parts.tsx";
import { Picture } from "./picture.tsx";
import { usePages } from "./requests.tsx";
import { Result, altOf } from "./result.tsx";
import { addressOf } from "./route.ts";
import { secondsText, usd } from "./words.ts";

/** The caption's height, and the room between two pictures, in CSS pixels. */
const [captionHeight, gap] = [28, 12];

/** Width that a picture has at the least: two stand side by side on a phone. */
const cellWidth = (width: number) => (width < 560 ? 148 : 184);

interface Entry {
  row: RequestRow;
  picture: ShownPicture;
  index: number;
}

export function Pictures({ id }: { id: string | undefined }) {
  if (id !== undefined)
    return (
      <div class="list">
        <p>
          <a href="#/pictures">All pictures</a>
        </p>
        <Result id={id} />
      </div>
    );
  return <Gallery />;
}

function Gallery() {
  const { rows, error, isLoading, hasMore, more } = usePages("v1/requests?status=completed&limit=100");
  // A request that was sent again has the pictures of the first one.
  const entries = rows
    .filter(({ repeats }) => repeats === undefined)
    .flatMap((row) => (row.pictures ?? []).map((picture, index): Entry => ({ row, picture, index })));
  const [grid, view] = useView();
  const columns = Math.max(1, Math.floor((view.width + gap) / (cellWidth(view.width) + gap)));
  const side = (view.width - gap * (columns - 1)) / columns;
  const height = side + captionHeight + gap;
  const lines = Math.ceil(entries.length / columns);
  // A line more on both sides, so that nothing is missing while it scrolls.
  const first = Math.max(0, Math.floor(view.top / height) - 1);
  const last = Math.min(lines, Math.ceil((view.top + view.height) / height) + 1);
  const isNearEnd = view.width > 0 && last >= lines - 2;
  useEffect(() => {
    if (isNearEnd && hasMore && !isLoading && !error) more();
  }, [isNearEnd, hasMore, isLoading]);
  return (
    <div class="list">
      {error && <Failure error={error} again={more} />}
      {!isLoading && !error && entries.length === 0 && (
        <Empty title="There is no picture yet">
          <p>
            <a href="#/draw">Draw one</a>
          </p>
        </Empty>
      )}
      <ul class="gallery" ref={grid} aria-label={`${entries.length} pictures`} style={{ height: `${lines * height}px` }}>
        {view.width > 0 &&
          entries.slice(first * columns, last * columns).map(({ row, picture, index }, at) => {
            const place = first * columns + at;
            const x = (place % columns) * (side + gap);
            return (
              <li
                key={`${row.id} ${index}`}
                style={{
                  transform: `translate(${x}px, ${Math.floor(place / columns) * height}px)`,
                  width: `${side}px`,
                  height: `${height - gap}px`,
                }}
              >
                <a href={addressOf("pictures", row.id)} title={`${row.model}, ${picture.width} × ${picture.height}`}>
                  <Picture picture={picture} alt={altOf(row, index)} />
                  <span class="caption">
                    <span>{row.model}</span>
                    <span class="number">
                      {secondsText(row.seconds)} · {usd(row.cost)}
                    </span>
                  </span>
                </a>
              </li>
            );
          })}
      </ul>
      {isLoading && <Loading what="pictures" lines={entries.length === 0 ? 8 : 1} />}
    </div>
  );
}

interface View {
  /** The part of the gallery that is seen: its top and height, and the width of the gallery. */
  top: number;
  height: number;
  width: number;
}

/** Measures which part of an element the window shows, whenever that changes. */
function useView() {
  const element = useRef<HTMLUListElement>(null);
  const [view, setView] = useState<View>({ top: 0, height: 0, width: 0 });
  useEffect(() => {
    const measure = () => {
      const box = element.current?.getBoundingClientRect();
      if (box) setView({ top: Math.max(0, -box.top), height: innerHeight, width: box.width });
    };
    const sizes = new ResizeObserver(measure);
    if (element.current) sizes.observe(element.current);
    measure();
    addEventListener("scroll", measure, { passive: true });
    return () => {
      sizes.disconnect();
      removeEventListener("scroll", measure);
    };
  }, []);
  return [element, view] as const;
}
