import { createMemoryState, type Siblings } from "../../src/gateway/shared-state.ts";

/** The states of processes that send each other what they share, as JSON. */
export function processes(count: number) {
  const receivers: ((message: { topic: string; note: unknown }) => void)[] = [];
  return Array.from({ length: count }, (_, index) => {
    const siblings: Siblings = {
      send: (message) => {
        receivers.forEach((receive, at) => at !== index && receive(JSON.parse(JSON.stringify(message)) as typeof message));
        return Promise.resolve();
      },
      listen: (receive) => (receivers[index] = receive),
    };
    return createMemoryState({ siblings });
  });
}
