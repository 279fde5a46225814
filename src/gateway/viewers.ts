// Shows the pictures of one request to every client that waits for its stream, also to one that comes later.
import type { Picture } from "../picture/picture.ts";
import type { Events, Shown } from "../plugin/compose.ts";

export interface Viewers {
  /** Events to give to what makes the pictures. */
  events: Required<Events>;
  /** The finished pictures that were shown so far. */
  finished: readonly Shown[];
  /** Show a client what has been finished, and everything that comes; the function ends that. */
  add: (viewer: Events) => () => void;
}

/** `hold` makes a picture one that can be read more than once. */
export function createViewers(hold: (picture: Picture) => Promise<Picture>): Viewers {
  const viewers = new Set<Events>();
  const finished: Shown[] = [];
  let isAccepted = false;
  // A client that has gone takes no picture from the others, and nothing from what is being made.
  const showTo = async (viewer: Events, shown: Shown) => {
    await viewer.show?.(shown).catch(() => viewers.delete(viewer));
  };
  return {
    finished,
    events: {
      accepted: () => {
        isAccepted = true;
        for (const viewer of viewers) viewer.accepted();
      },
      show: async (shown) => {
        const held = { ...shown, picture: await hold(shown.picture) };
        if (held.partial === undefined) finished.push(held);
        await Promise.all([...viewers].map((viewer) => showTo(viewer, held)));
      },
    },
    add: (viewer) => {
      if (isAccepted) viewer.accepted();
      for (const shown of finished) void showTo(viewer, shown);
      viewers.add(viewer);
      return () => void viewers.delete(viewer);
    },
  };
}
