// Suggests the known word that is closest to an unknown one.
import leven from "leven";

/** `did you mean size-map?` where one of the known words is close, else `known: a, b, c`. */
export function didYouMean(word: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: leven(word.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  if (best && best.distance <= Math.max(1, Math.floor(word.length / 3))) return `did you mean ${best.name}?`;
  return known.length > 0 ? `known: ${known.join(", ")}` : "nothing is known here";
}
