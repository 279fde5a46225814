// Keeps what is in force, and replaces it when the operator's files change or the operator says so.
import type { Logger } from "pino";
import { createReloadable, type Reload, type Reloadable } from "../gateway/reload.ts";
import type { Metrics } from "../http/metrics.ts";
import type { Listening } from "../http/server.ts";
import { handoverOf, type Handover } from "./handover.ts";
import { changedPaths, type Snapshot } from "./watch.ts";
import { buildInForce, changedChannels, filesOf, type InForce, type Parts } from "./in-force.ts";

/** Parts of a reload beside what it replaces. */
interface Around {
  parts: Parts;
  server: () => Pick<Listening, "port" | "limit">;
  /** Lift the cool-downs of a channel. */
  lift: (channel: string) => void;
  log: Logger;
  metrics: Pick<Metrics, "reloads">;
  keep?: (handover: Handover) => void;
}

/** Holds what is in force. A reload reads the files anew, and lifts the cool-downs of every channel, or of those whose files changed. It never rejects. */
export interface Kept extends Pick<Reloadable<InForce>, "current" | "last"> {
  /** The files as the latest reload found them, whether or not they are in force. */
  seen: () => Snapshot;
  reload: (lifted: "every" | "changed") => Promise<Reload>;
}

export function keepInForce(first: InForce, { parts, server, lift, log, metrics, keep }: Around): Kept {
  const report = (reload: Reload) => {
    metrics.reloads.inc({ outcome: reload.ok ? "ok" : "failed" });
    const { file, table, broken } = inForce.current();
    server().limit(file.server);
    const counts = { channels: table.channels.filter(({ off }) => !off).length, models: table.models.size };
    if (reload.ok) log.info(counts, "reloaded");
    else log.error({ ...counts, broken, problems: reload.problems }, "not reloaded as a whole; what is wrong stays as it was");
    keep?.(handoverOf(inForce.current()));
  };
  let seen = first.files;
  const inForce = createReloadable(
    first,
    async (before) => {
      seen = await filesOf(parts.settings);
      return buildInForce(parts, server().port, seen, before);
    },
    (reload) => {
      // A report that fails must not stop the reloads that follow.
      try {
        report(reload);
      } catch (error) {
        log.error({ err: error }, "a reload could not be reported");
      }
    },
    ({ problems }) => problems,
  );
  const { problems } = inForce.last() ?? {};
  if (problems) log.error({ broken: first.broken, problems }, "some files are wrong, and not in force");
  return {
    current: inForce.current,
    last: inForce.last,
    seen: () => seen,
    reload: async (lifted) => {
      const before = inForce.current();
      const ended = await inForce.reload();
      const { files, good } = inForce.current();
      // With the environment any key may have become another one.
      const isNamed = lifted === "changed" && !changedPaths(before.files, files).includes(parts.settings.envFile);
      const changed = isNamed ? changedChannels(before.files, files, parts.settings) : undefined;
      for (const name of changed ?? good.keys()) lift(name);
      return ended;
    },
  };
}
