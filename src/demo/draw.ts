import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { Sharp } from "sharp";
import { loadSharp } from "../picture/pixels.ts";

const sharp = await loadSharp();
const { resolve } = createRequire(import.meta.url);
const fontfile = resolve("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf");

// Where the system has no fontconfig (slim containers, macOS, Windows) the library complains on stderr unless it is given some file.
if (!existsSync("/etc/fonts/fonts.conf")) process.env.FONTCONFIG_FILE ??= resolve("dejavu-fonts-ttf/fontconfig/57-dejavu-sans.conf");

export interface Drawing {
  prompt: string;
  /** Pixels, 16 to 4096. */
  width: number;
  /** Pixels, 16 to 4096. */
  height: number;
  format: "png" | "jpeg" | "webp";
  /** 0 to 100, for jpeg and webp. */
  quality?: number;
  /** The same seed and prompt give the same picture. */
  seed: number;
  /** Show the landscape through a round window, with nothing around it; png and webp only, a jpeg stays filled. */
  transparent?: boolean;
  /** Put a small "AI" into the bottom right corner. */
  watermark?: boolean;
}

interface Palette {
  top: string;
  bottom: string;
  sun: string;
  far: string;
  near: string;
}

interface Room {
  width: number;
  height: number;
}

interface Layer extends Room {
  data: Buffer;
}

const palettes: readonly Palette[] = [
  { top: "#1b2a6b", bottom: "#f7a072", sun: "#ffe3b3", far: "#a5648f", near: "#1d1b3a" },
  { top: "#2f80c2", bottom: "#d6f0f5", sun: "#fff6cf", far: "#8fc9b0", near: "#14532d" },
  { top: "#0b1026", bottom: "#4a5aa8", sun: "#f4f1de", far: "#46558f", near: "#080b1c" },
  { top: "#e0568a", bottom: "#ffd3a5", sun: "#fff3e0", far: "#e58fa5", near: "#5b2245" },
  { top: "#0f6e78", bottom: "#ffe9b0", sun: "#fff8dc", far: "#5fb3a3", near: "#0b3a40" },
  { top: "#c8452b", bottom: "#ffd27d", sun: "#fff1c9", far: "#d98b5f", near: "#4a1c1a" },
];

/** Draw a landscape with the prompt lettered on it; any text will do as a prompt. Resolves to the encoded picture. */
export async function draw(drawing: Drawing): Promise<Buffer> {
  const { prompt, width, height, format, watermark = false } = drawing;
  const transparent = drawing.transparent === true && format !== "jpeg";
  const unit = Math.min(width, height);
  const margin = Math.ceil(unit * 0.05);
  const padding = Math.ceil(unit * 0.035);
  const mark = watermark ? Math.ceil(unit * 0.08) + 4 : 0;
  const room = {
    width: width - 2 * (margin + padding) - (mark && mark + margin),
    // On a small picture the lettering needs most of it; on others the landscape should be seen.
    height: Math.floor(height * (unit < 256 ? 0.8 : 0.45)) - 2 * padding,
  };
  const letters = await letter(prompt, `demo · ${width}x${height}`, room, Math.min(Math.sqrt(width * height), unit * 4) * 0.065);
  const left = margin + padding;
  const top = height - margin - padding - letters.height;
  const shapes = [
    ...landscape(drawing, transparent),
    rectangle(margin, top - padding, letters.width + 2 * padding, letters.height + 2 * padding, padding),
    ...(watermark ? aiMark(width - margin - mark, height - margin - mark, mark) : []),
  ];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes.join("")}</svg>`;
  const raw = { width: letters.width, height: letters.height, channels: 4 as const };
  const picture = sharp(Buffer.from(svg)).composite([{ input: letters.data, raw, left, top }]);
  if (!transparent) picture.removeAlpha();
  return encode(picture, drawing);
}

/** The picture as a file of the format that was asked for. */
export async function encode(picture: Sharp, { format, quality = 90 }: Pick<Drawing, "format" | "quality">): Promise<Buffer> {
  switch (format) {
    case "png":
      return picture.png().toBuffer();
    case "jpeg":
      return picture.jpeg({ quality: Math.max(1, quality) }).toBuffer();
    case "webp":
      return picture.webp({ quality: Math.max(1, quality), effort: 2 }).toBuffer();
  }
}

/** The prompt and, smaller, the caption, as white pixels that fit into the room. What does not fit is made smaller, then shorter. */
async function letter(prompt: string, caption: string, room: Room, wanted: number): Promise<Layer> {
  const characters = readCharacters(prompt);
  const largest = Math.max(7, Math.min(wanted, room.width / 8, room.height * 0.4));
  const smallest = Math.max(7, largest * 0.45);
  // A bold letter takes about 0.7 by 1.2 of its size, and the caption takes its share too.
  const letterRoom = (room.width * room.height * 0.85) / (0.7 * 1.2);
  let limit = Math.min(characters.length, 300, Math.floor(letterRoom / smallest ** 2));
  let size = Math.max(smallest, Math.min(largest, Math.sqrt(letterRoom / (limit + 2))));
  for (;;) {
    const text = limit < characters.length ? `${characters.slice(0, Math.max(0, limit - 1)).join("")}…` : characters.join("");
    // The quotation marks are also what is drawn when the prompt is blank or invisible: an empty text would be an error.
    const layer = await render(`“${escapeMarkup(text)}”\n<span size="58%" alpha="75%">${caption}</span>`, size, room.width);
    if (layer.width <= room.width && layer.height <= room.height) return layer;
    if (size > smallest) size *= 0.88;
    else if (limit > 0) limit = Math.floor(limit * 0.75);
    else return scaleDown(layer, room);
  }
}

async function render(markup: string, size: number, width: number): Promise<Layer> {
  const text = `<span foreground="white">${markup}</span>`;
  const font = `DejaVu Sans Bold ${size.toFixed(1)}`;
  // At 72 dpi a point is a pixel.
  const letters = sharp({ text: { text, font, fontfile, dpi: 72, rgba: true, width, wrap: "word-char", spacing: Math.round(size / 6) } });
  const { data, info } = await letters.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** For a picture of a few pixels, where not even one letter fits. */
async function scaleDown({ data, width, height }: Layer, room: Room): Promise<Layer> {
  const layer = sharp(data, { raw: { width, height, channels: 4 } }).resize({ ...room, fit: "inside" });
  const scaled = await layer.raw().toBuffer({ resolveWithObject: true });
  return { data: scaled.data, width: scaled.info.width, height: scaled.info.height };
}

/** The beginning of a prompt in characters as a reader counts them, on one line, without what markup may not hold. */
function readCharacters(prompt: string): string[] {
  const plain = prompt
    .slice(0, 4000)
    .replace(/[\p{Cc}\p{Cs}\s]+/gu, " ")
    .trim();
  // A letter with a thousand accents counts as one character too, and would be wider than the renderer can go.
  return Array.from(new Intl.Segmenter("en").segment(plain), ({ segment }) => Array.from(segment).slice(0, 24).join(""));
}

function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** SVG shapes: a sky with a sun and soft circles, and hills before it. `opacity` in place of `fill-opacity` would take ten times as long. */
function landscape({ prompt, seed, width, height }: Drawing, transparent: boolean): string[] {
  const random = randomNumbers(`${seed} ${prompt}`);
  const between = (low: number, high: number): number => low + (high - low) * random();
  const { top, bottom, sun, far, near } = palettes[Math.floor(random() * palettes.length)] as Palette;
  const unit = Math.min(width, height);
  const sunPlace = `cx="${width * between(0.28, 0.72)}" cy="${height * between(0.18, 0.38)}"`;
  const radius = unit * between(0.08, 0.14);
  const circles = Array.from({ length: 14 }, () => {
    const place = `cx="${width * random()}" cy="${height * between(0, 0.6)}"`;
    return `<circle ${place} r="${unit * between(0.01, 0.13)}" fill="${sun}" fill-opacity="${between(0.05, 0.15)}"/>`;
  });
  const hills = [0, 1, 2, 3, 4].map((depth) => {
    const path = hill(width, height, height * (0.5 + depth * 0.1), unit * between(0.05, 0.1), between);
    return `<path d="${path}" fill="${far}"/><path d="${path}" fill="${near}" fill-opacity="${depth * 0.22}"/>`;
  });
  return [
    `<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${top}"/><stop offset="0.7" stop-color="${bottom}"/></linearGradient>`,
    `<radialGradient id="glow"><stop offset="0.2" stop-color="${sun}" stop-opacity="0.6"/><stop offset="1" stop-color="${sun}" stop-opacity="0"/></radialGradient>`,
    `<clipPath id="window"><ellipse cx="${width / 2}" cy="${height * 0.48}" rx="${width * 0.46}" ry="${height * 0.46}"/></clipPath></defs>`,
    transparent ? `<g clip-path="url(#window)">` : "<g>",
    `<rect width="100%" height="100%" fill="url(#sky)"/>`,
    `<circle ${sunPlace} r="${radius * 3.5}" fill="url(#glow)"/>`,
    ...circles,
    `<circle ${sunPlace} r="${radius}" fill="${sun}"/>`,
    ...hills,
    "</g>",
  ];
}

/** The outline of one hill range: two waves laid over each other, closed along the lower edge. */
function hill(width: number, height: number, level: number, rise: number, between: (low: number, high: number) => number): string {
  const waves = [
    { size: rise, turns: between(0.7, 1.6), start: between(0, 6) },
    { size: rise * 0.35, turns: between(2, 4), start: between(0, 6) },
  ];
  const points = Array.from({ length: 97 }, (_, step) => {
    const across = step / 96;
    const lift = waves.reduce((sum, { size, turns, start }) => sum + size * Math.sin(start + across * turns * 2 * Math.PI), 0);
    return `L${(across * width).toFixed(1)} ${(level - lift).toFixed(1)}`;
  });
  return `M0 ${height}${points.join("")}L${width} ${height}Z`;
}

function rectangle(x: number, y: number, width: number, height: number, corner: number): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${corner}" fill="#080a14" fill-opacity="0.66"/>`;
}

/** "AI" as lines in a square of `side` pixels: so small a mark needs no font. */
function aiMark(x: number, y: number, side: number): string[] {
  const lines = "M4 15L8 5L12 15M5.4 11.6H10.6M15.6 5V15";
  return [
    `<g transform="translate(${x} ${y}) scale(${side / 20})"><rect width="20" height="20" rx="4" fill="#ffffff" fill-opacity="0.88"/>`,
    `<path d="${lines}" fill="none" stroke="#080a14" stroke-width="2" stroke-linejoin="round"/></g>`,
  ];
}

/** Numbers from 0 to below 1 that only depend on the key (mulberry32, seeded by a hash). */
function randomNumbers(key: string): () => number {
  let state = createHash("sha256").update(key).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
