// Gives a note to all processes that serve, and says when they have it.
import type { Siblings } from "../gateway/shared-state.ts";
import type { FromWorker, Note, Noted, ToWorker } from "./messages.ts";

/** Time that the sender of a note waits for the others to have it, in milliseconds: one of them may stand still. */
export const longestShare = 1_000;

/** In a process that serves: sends notes to the others, through the first process. */
export function createNotes(send: (message: FromWorker) => void): { send: Siblings["send"]; noted: (answer: Noted) => void } {
  const waiting = new Map<number, () => void>();
  let notes = 0;
  return {
    send: ({ topic, note }) =>
      new Promise((resolve) => {
        const id = (notes += 1);
        const done = () => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve();
        };
        const timer = setTimeout(done, longestShare);
        waiting.set(id, done);
        send({ pictor: "note", id, topic, note });
      }),
    noted: ({ id }) => waiting.get(id)?.(),
  };
}

/** In the first process: hands notes on, and reports back to their senders. A process is a `Peer`. */
export function createRelay<Peer>(send: (to: Peer, message: ToWorker) => void) {
  const open = new Map<number, { without: Set<Peer>; sender: Peer; id: number }>();
  let notes = 0;
  const close = (relayed: number) => {
    const note = open.get(relayed);
    if (!note || note.without.size > 0) return;
    open.delete(relayed);
    send(note.sender, { pictor: "noted", id: note.id });
  };
  return {
    /** Hand a note on to all others; those that `serve` are waited for. */
    note: (sender: Peer, note: Note, { others, serve }: { others: readonly Peer[]; serve: ReadonlySet<Peer> }): void => {
      const relayed = (notes += 1);
      open.set(relayed, { without: new Set(others.filter((other) => serve.has(other))), sender, id: note.id });
      for (const other of others) send(other, { ...note, id: relayed });
      close(relayed);
    },
    /** A process has a note. */
    noted: (peer: Peer, { id }: Noted): void => {
      open.get(id)?.without.delete(peer);
      close(id);
    },
    /** A process has ended: nobody waits for it. */
    gone: (peer: Peer): void => {
      for (const [relayed, { without, sender }] of open)
        if (sender === peer) open.delete(relayed);
        else if (without.delete(peer)) close(relayed);
    },
  };
}
