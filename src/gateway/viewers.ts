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

/** Pictures that a client of a stream may have left untaken and still be shown an unfinished one: it would be out of date. */
export const mostBehind = 8;

/** `hold` makes a picture one that can be read more than once. */
export function createViewers(hold: (picture: Picture) => Promise<Picture>): Viewers {
  const viewers = new Set<Viewer>();
  const finished: Shown[] = [];
  let isAccepted = false;
  /** Nobody waits for a client: a slow one would hold up the provider and the others. */
  const showTo = (viewer: Viewer, shown: Shown) => {
    if (shown.partial !== undefined && viewer.behind >= mostBehind) return;
    viewer.behind += 1;
    // A client that has gone takes no picture from the others, and nothing from what is being made.
    void viewer.events.show?.(shown).then(
      () => (viewer.behind -= 1),
      () => viewers.delete(viewer),
    );
  };
  return {
    finished,
    events: {
      accepted: () => {
        isAccepted = true;
        for (const { events } of viewers) events.accepted();
      },
      show: async (shown) => {
        const held = { ...shown, picture: await hold(shown.picture) };
        if (held.partial === undefined) finished.push(held);
        for (const viewer of viewers) showTo(viewer, held);
      },
    },
    add: (events) => {
      const viewer = { events, behind: 0 };
      if (isAccepted) events.accepted();
      viewers.add(viewer);
      for (const shown of finished) showTo(viewer, shown);
      return () => void viewers.delete(viewer);
    },
  };
}

interface Viewer {
  events: Events;
  /** Pictures that it has not taken yet. */
  behind: number;
}
