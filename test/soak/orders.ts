import { solidPng } from "../../src/picture/png.ts";

/**
 * One request of the soak and all that is right about it. Its number is its prompt, and the provider writes it into the picture: an answer
 * that was lost, cut or meant for somebody else shows.
 */
export interface Order {
  id: string;
  model: "small" | "slow";
  /** How the client wants the picture, and how the provider gives it. */
  asks: "b64_json" | "url";
  gets: "b64_json" | "url";
  /** Whether the provider sends half of its answer at once and the rest later. */
  drips: boolean;
  /** Milliseconds that the provider takes. */
  takes: number;
  /** Channels that took it on, and how many of them answered it in full. */
  takenBy: string[];
  answered: number;
}

// Pictures are taken from a provider's text, from its address, kept under our own, and passed on as an address.
const ways = [
  { asks: "b64_json", gets: "b64_json" },
  { asks: "b64_json", gets: "b64_json" },
  { asks: "url", gets: "url" },
  { asks: "b64_json", gets: "url" },
  { asks: "url", gets: "b64_json" },
] as const;

export function smallOrder(number: number): Order {
  return { id: `small-${number}`, model: "small", ...ways[number % ways.length]!, ...untouched(), drips: false, takes: 5 + (number % 20) };
}

/** `seconds` on the mean; each takes between a half and one and a half of it. */
export function slowOrder(number: number, seconds: number): Order {
  const takes = seconds * 1000 * (0.5 + ((number * 7919) % 1000) / 1000);
  return { id: `slow-${number}`, model: "slow", asks: "b64_json", gets: "b64_json", ...untouched(), drips: number % 2 === 1, takes };
}

const untouched = () => ({ takenBy: [], answered: 0 });

const png = solidPng(64, 64);

/** The picture of an order: a PNG with the order's number behind its end, over and over. */
export function pictureOf(id: string): Buffer {
  return Buffer.concat([png, Buffer.alloc(12_000, `${id};`)]);
}
