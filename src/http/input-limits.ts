// The limits for what clients send.
import type { ImageLimits } from "../picture/judge.ts";
import type { BodyLimits } from "./body.ts";

/** Limits for clients, in bytes, pixels and milliseconds of silence. */
export interface InputLimits extends ImageLimits, BodyLimits {}

/** A prompt and a style object need little room; 16 images of 10 MB pass, as files or as base64. */
export const usualLimits: InputLimits = {
  text: 1024 * 1024,
  body: 256 * 1024 * 1024,
  file: 50 * 1024 * 1024,
  bytes: 50 * 1024 * 1024,
  pixels: 100_000_000,
  idle: 30_000,
};
