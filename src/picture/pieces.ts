// Collects what comes in pieces: a body of single bytes must not cost a hundred times its length.
const large = 64 * 1024;

/** Put a piece behind the others. Small ones grow together, so that there are few of them however finely the whole was cut. */
export function gather(pieces: Buffer[], piece: Buffer): void {
  let last = piece;
  for (let before = pieces.at(-1); before && before.length < large && before.length <= last.length; before = pieces.at(-1)) {
    pieces.pop();
    last = Buffer.concat([before, last]);
  }
  pieces.push(last);
}
