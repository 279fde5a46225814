// Collects the pieces of a body: a body that comes byte by byte must not take a hundred times its length in memory.
const large = 64 * 1024;

/** Appends a piece. Small pieces are joined, so that their number stays small however finely the body was cut. */
export function gather(pieces: Buffer[], piece: Buffer): void {
  let last = piece;
  for (let before = pieces.at(-1); before && before.length < large && before.length <= last.length; before = pieces.at(-1)) {
    pieces.pop();
    last = Buffer.concat([before, last]);
  }
  pieces.push(last);
}
