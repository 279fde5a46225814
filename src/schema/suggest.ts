// Suggests the known word that is closest to an unknown one.
import leven from "leven";

/** Names that an error lists: of more only the three nearest, since nobody reads a hundred. */
export const mostListed = 24;

/** `did you mean size-map?` where one of the known words is close, else `known: a, b, c`, or the nearest of very many. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = known
    .map((name) => ({ name, distance: leven(word.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = nearest;
  if (best && best.distance <= Math.max(1, Math.floor(word.length / 3))) return `did you mean ${best.name}?`;
  if (known.length > mostListed) {
    const [one, two, three] = nearest.map(({ name }) => name);
    return `the nearest of ${known.length}: ${one}, ${two}, ${three}`;
  }
  return known.length > 0 ? `known: ${known.join(", ")}` : "nothing is known here";
}
