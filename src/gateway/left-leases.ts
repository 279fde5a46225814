// Finds the leases that their processes have left.
import type { SeenLease } from "../ledger/statements.ts";
import { hasEnded } from "../ledger/owner.ts";

export interface LeftLeases {
  /** Those of these leases that nobody renews any more; `now` is in milliseconds of a clock that never jumps. */
  among: (leases: readonly SeenLease[], now: number) => SeenLease[];
  /** Wait anew for each to be renewed: while the ledger is away nobody can. */
  reset: () => void;
}

/** `own` is the name of this process. Another machine's process has gone where it did not renew a lease for `lease` milliseconds. */
export function watchLeases(own: string, lease: number): LeftLeases {
  // Each lease, and when it was first seen as it is: clocks are wrong, and only one that is not renewed has been left.
  let seen = new Map<string, { lease: SeenLease; at: number }>();
  return {
    among: (leases, now) => {
      const before = seen;
      seen = new Map();
      return leases.filter((one) => {
        const known = before.get(one.id);
        const at = known?.lease.until === one.until && known.lease.owner === one.owner ? known.at : now;
        seen.set(one.id, { lease: one, at });
        // A number of a process that has ended may be another's by now.
        return hasEnded(one.owner, own) === true || now - at >= lease;
      });
    },
    reset: () => seen.clear(),
  };
}
