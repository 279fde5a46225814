// Makes a test of each request that an SDK and a shipped channel are given.
import { judge, startBoth, type Allowed, type Both } from "./both.ts";

export interface SdkRow {
  channel: string;
  what: string;
  /** Makes the call with the SDK, whose first request is looked at. It may fail. */
  theirs: (fetch: Both["fetch"]) => Promise<unknown>;
  /** The fields of a client of ours. */
  ours: { model: string } & Record<string, unknown>;
  differs?: Allowed;
}

/** Expect each SDK and channel to make the same call. */
export function compareAll(who: string, rows: readonly SdkRow[]): void {
  describe(`compare: ${who} and the shipped channels`, () => {
    let both: Both;
    before(async () => {
      both = await startBoth([...new Set(rows.map(({ channel }) => channel))]);
    });
    after(() => both.close());

    for (const { channel, what, theirs, ours, differs } of rows)
      it(`${channel} ${what}`, async () => {
        judge(await both.theirs(() => theirs(both.fetch)), await both.ours(channel, ours), differs);
      });
  });
}
