// Draws the demo's pictures: a landscape with the prompt lettered on it.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Sharp } from "sharp";
import { loadSharp } from "../picture/pixels.ts";

const sharp = await loadSharp();
const fontFile = (name: string) => fileURLToPath(new URL(`../../assets/fonts/${name}`, import.meta.url));
const fontfile = fontFile("DejaVuSans-Bold.ttf");

// Without fontconfig (slim containers, macOS, Windows) the library complains on stderr unless it is given some file.
if (!existsSync("/etc/fonts/fonts.conf")) process.env.FONTCONFIG_FILE ??= fontFile("57-dejavu-sans.conf");

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
  /** Leave out the sky; png and webp only, a jpeg stays filled. */
  transparent?: boolean;
  /** Put a small "AI" into the bottom right corner. */
  watermark?: boolean;
}

/** Draw a landscape with the prompt lettered on it; any text will do as a prompt. Resolves to the encoded picture. */
export async function draw(drawing: Drawing): Promise<Buffer> {
  const { prompt, width, height, format, watermark = false } = drawing;
  const transparent = drawing.transparent === true && format !== "jpeg";
  const plate = '<rect y="34%" width="100%" height="32%" fill="#0a0e1a" fill-opacity="0.5"/>';
  const mark = watermark
    ? `<path d="${markPath}" transform="translate(${width - 16} ${height - 16})" fill="none" stroke="#fff" stroke-width="2"/>`
    : "";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${landscape(drawing, transparent)}${plate}${mark}</svg>`;
  const letters = await lettering(prompt, Math.ceil(width * 0.8), Math.ceil(height * 0.3));
  const picture = sharp(Buffer.from(svg)).composite([{ input: letters, gravity: "centre" }]);
  return encode(transparent ? picture : picture.removeAlpha(), drawing);
}

/** The picture as a file of the format that was asked for. */
export async function encode(picture: Sharp, { format, quality = 90 }: Pick<Drawing, "format" | "quality">): Promise<Buffer> {
  if (format === "png") return picture.png().toBuffer();
  const options = { quality: Math.max(1, quality) };
  return (format === "jpeg" ? picture.jpeg(options) : picture.webp({ ...options, effort: 2 })).toBuffer();
}

/** "AI" in lines, in a square of 12 pixels: so small a mark needs no font. */
const markPath = "M0 11L4 1L8 11M2 8H6M11 1V11";

/** The beginning of the prompt in white letters, as large as the room allows. */
async function lettering(prompt: string, width: number, height: number): Promise<Buffer> {
  // Without what markup may not hold, and what joins letters without end, which the renderer cannot go along with.
  const plain = prompt
    .slice(0, 400)
    .replace(/[\p{C}\p{M}\u1100-\u11ff\s]+/gu, " ")
    .trim()
    .slice(0, 120);
  const text = plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const markup = `<span foreground="white">“${text}”</span>`;
  const letters = sharp({ text: { text: markup, font: "DejaVu Sans Bold", fontfile, rgba: true, width, height, wrap: "word-char" } });
  return letters.resize({ width, height, fit: "inside", withoutEnlargement: true }).png().toBuffer();
}

/** A sky with a sun, and hills before it; their colours and places are the seed's. */
function landscape({ prompt, seed, width, height }: Drawing, transparent: boolean): string {
  const numbers = createHash("sha256").update(`${seed} ${prompt}`).digest();
  const hue = (numbers[0] ?? 0) * 1.4;
  const sky = `<linearGradient id="sky" x2="0" y2="1"><stop stop-color="hsl(${hue},55%,35%)"/><stop offset="1" stop-color="hsl(${hue + 50},80%,80%)"/></linearGradient>`;
  const sun = `<circle cx="${width * (0.3 + (numbers[1] ?? 0) / 640)}" cy="${height * 0.25}" r="${Math.min(width, height) * 0.1}" fill="#ffe9b8"/>`;
  const hills = [0, 1, 2].map((depth) => {
    const points = Array.from({ length: 41 }, (_, step) => {
      const wave = Math.sin((numbers[2 + depth] ?? 0) + (step * (2 + depth)) / 8);
      return `${(step / 40) * width},${height * (0.6 + depth * 0.13 - wave * 0.06)}`;
    });
    return `<polygon points="0,${height} ${points.join(" ")} ${width},${height}" fill="hsl(${hue + 20},35%,${42 - depth * 13}%)"/>`;
  });
  return `${transparent ? "" : `<defs>${sky}</defs><rect width="100%" height="100%" fill="url(#sky)"/>`}${sun}${hills.join("")}`;
}
