// Watches the event loop of a Node process that is measured; it is loaded into that process.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Milliseconds between two looks at the event loop; a delay is a stall as far as it is longer. */
const resolution = 1;

// The first SIGUSR2 begins the watch, the second writes what was seen.
const histogram = monitorEventLoopDelay({ resolution });
let watching = false;
process.on("SIGUSR2", () => {
  if (watching) {
    histogram.disable();
    const stall = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution);
    writeFileSync(
      join(process.env.BENCH_FOLDER ?? ".", `stalls-${process.pid}.json`),
      JSON.stringify({ p99: stall(histogram.percentile(99)), max: stall(histogram.max) }),
    );
  } else {
    histogram.reset();
    histogram.enable();
  }
  watching = !watching;
});
