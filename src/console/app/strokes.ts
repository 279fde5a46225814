// Paints the strokes of a mask.

export type Point = readonly [x: number, y: number];

/** A stroke of the brush, in the picture's own pixels. */
export interface Stroke {
  points: readonly Point[];
  width: number;
  /** True where it takes back what was painted. */
  erases: boolean;
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Begin: all is opaque, so that nothing may change. */
export function blank(context: Context, width: number, height: number): void {
  context.globalCompositeOperation = "copy";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
}

/** Take the stroke's pixels out, or put them back. */
export function paint(context: Context, { points, width, erases }: Stroke): void {
  context.globalCompositeOperation = erases ? "source-over" : "destination-out";
  context.strokeStyle = "#000";
  context.lineWidth = width;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  const [first = [0, 0], ...rest] = points;
  context.moveTo(first[0], first[1]);
  // A line to where it is makes the dot of a single touch.
  for (const [x, y] of rest.length > 0 ? rest : [first]) context.lineTo(x, y);
  context.stroke();
}
