// Watches the memory of the gateways, each process from its start.
import { setTimeout as delay } from "node:timers/promises";
import type { Gateway } from "../outlive/gateway.ts";
import { valueOf, type Sample } from "../soak/memory.ts";

/** The memory of the process that serves now, of each gateway. */
export async function watchMemory(gateways: readonly Gateway[], goesOn: () => boolean): Promise<Sample[][]> {
  const lives = gateways.map(() => ({ pid: 0, began: 0, samples: [] as Sample[] }));
  const look = async (gateway: Gateway, index: number) => {
    const page = await fetch(`${gateway.url}/metrics`).then((answer) => answer.text());
    const [pid = 0] = await gateway.workers();
    let life = lives[index];
    if (life?.pid !== pid) lives[index] = life = { pid, began: performance.now(), samples: [] };
    const { began, samples } = life;
    const [resident, heap] = [valueOf(page, "process_resident_memory_bytes"), valueOf(page, "nodejs_heap_size_used_bytes")];
    samples.push({ seconds: (performance.now() - began) / 1000, resident, heap });
  };
  while (goesOn()) {
    // A gateway that is away is looked at again when it is back.
    await Promise.allSettled(gateways.map(look));
    await delay(1000);
  }
  return lives.map(({ samples }) => samples);
}
