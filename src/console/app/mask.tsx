// Draws a mask on a picture: where it is painted, the picture may change.
import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { InputImage } from "./draft.ts";
import { blank, paint, type Point, type Stroke } from "./strokes.ts";

interface Props {
  image: InputImage;
  /** Is given the mask, undefined for none, or that it shall stay as it was. */
  done: (mask: Blob | undefined | "as it was") => void;
}

/** The mask as PNG of the picture's own size, transparent where it may change. */
async function maskOf(strokes: readonly Stroke[], { width, height }: { width: number; height: number }): Promise<Blob | undefined> {
  if (strokes.length === 0) return undefined;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) return undefined;
  blank(context, width, height);
  for (const stroke of strokes) paint(context, stroke);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Brush widths, as parts of the picture's shorter side. */
const widths = [0.04, 0.1, 0.2];

export function MaskEditor({ image, done }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [strokes, setStrokes] = useState<readonly Stroke[]>([]);
  const [width, setWidth] = useState(0.1);
  const [erases, setErases] = useState(false);
  const [cursor, setCursor] = useState<Point>();
  const current = useRef<Stroke | undefined>(undefined);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || size.width === 0) return;
    blank(context, size.width, size.height);
    for (const stroke of strokes) paint(context, stroke);
    if (cursor) ring(context, cursor, brush());
  }, [strokes, size, cursor, width]);

  const brush = () => Math.max(1, Math.round(Math.min(size.width, size.height) * width));
  const begin = (point: Point) => {
    current.current = { points: [point], width: brush(), erases };
    setStrokes([...strokes, current.current]);
  };
  const pointIn = (event: TargetedPointerEvent<HTMLCanvasElement>): Point => {
    const box = event.currentTarget.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * size.width, ((event.clientY - box.top) / box.height) * size.height];
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLCanvasElement>) => {
    const [x, y] = cursor ?? [size.width / 2, size.height / 2];
    const moved = movedBy(event.key, [x, y], brush() / 2);
    if (moved) setCursor([Math.min(Math.max(moved[0], 0), size.width), Math.min(Math.max(moved[1], 0), size.height)]);
    else if (event.key === " " || event.key === "Enter") begin([x, y]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} class="mask" aria-label="Mask" onCancel={() => done("as it was")}>
      <p class="quiet">Paint over what may change. Arrows move the brush, space paints.</p>
      <div class="easel">
        <img
          src={image.url}
          alt={image.name}
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setSize({ width: naturalWidth, height: naturalHeight })}
        />
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label="Where the picture may change"
          {...size}
          onKeyDown={onKeyDown}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            setCursor(undefined);
            begin(pointIn(event));
          }}
          onPointerMove={(event) => {
            if (!current.current) return;
            const stroke = { ...current.current, points: [...current.current.points, pointIn(event)] };
            current.current = stroke;
            setStrokes((all) => [...all.slice(0, -1), stroke]);
          }}
          onPointerUp={() => (current.current = undefined)}
        />
      </div>
      <div class="pair">
        <Tools {...{ width, setWidth, erases, setErases }} />
        <button type="button" disabled={strokes.length === 0} onClick={() => setStrokes(strokes.slice(0, -1))}>
          Undo
        </button>
        <span class="space" />
        <button type="button" onClick={() => done("as it was")}>
          Cancel
        </button>
        <button type="button" class="main" onClick={() => void maskOf(strokes, size).then(done)}>
          {strokes.length === 0 ? "No mask" : "Use this mask"}
        </button>
      </div>
    </dialog>
  );
}

/** The point to which an arrow key leads; undefined for another key. */
function movedBy(key: string, [x, y]: Point, step: number): Point | undefined {
  const moves: Readonly<Record<string, Point>> = {
    ArrowLeft: [x - step, y],
    ArrowRight: [x + step, y],
    ArrowUp: [x, y - step],
    ArrowDown: [x, y + step],
  };
  return moves[key];
}

interface ToolsProps {
  width: number;
  setWidth: (width: number) => void;
  erases: boolean;
  setErases: (erases: boolean) => void;
}

function Tools({ width, setWidth, erases, setErases }: ToolsProps) {
  return (
    <>
      <span class="choices" role="group" aria-label="Brush">
        {widths.map((part, index) => (
          <button key={part} type="button" aria-pressed={part === width} onClick={() => setWidth(part)}>
            {["Fine", "Medium", "Broad"][index]}
          </button>
        ))}
      </span>
      <button type="button" aria-pressed={erases} onClick={() => setErases(!erases)}>
        Erase
      </button>
    </>
  );
}

function ring(context: CanvasRenderingContext2D, [x, y]: Point, width: number): void {
  context.globalCompositeOperation = "source-over";
  context.strokeStyle = "#e11d48";
  context.lineWidth = Math.max(2, width / 20);
  context.beginPath();
  context.arc(x, y, width / 2, 0, 2 * Math.PI);
  context.stroke();
}
