// A Redis for tests, as far as places need one: it speaks the protocol over a real socket, and stalls when told to.
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface StandIn {
  url: string;
  /** The places that each instance is known to have. */
  places: () => number[];
  /** How many commands have come, carried out or not. */
  received: () => number;
  /** Carry out nothing until the function that this gives is called. */
  stall: () => () => void;
  close: () => Promise<void>;
}

/** Start one on loopback. */
export async function startStandIn(): Promise<StandIn> {
  const held = new Map<string, { count: number; told: number }>();
  const sockets = new Set<Socket>();
  let waiting: (() => void)[] | undefined;
  let received = 0;

  function places([, , , , , instance = "", told = "", count = "", limit]: string[]): number {
    const known = held.get(instance);
    if (known && known.told > Number(told)) return 1;
    const others = [...held].reduce((sum, [name, { count }]) => (name === instance ? sum : sum + count), 0);
    if (limit !== undefined && others + Number(count) > Number(limit)) return 0;
    held.set(instance, { count: Number(count), told: Number(told) });
    return 1;
  }

  function reply(command: string[]): string {
    const name = command[0]?.toLowerCase();
    if (name === "info") return "$19\r\nredis_version:7.0.0\r\n";
    if (name === "eval") return `:${places(command)}\r\n`;
    if (name === "scan") return "*2\r\n$1\r\n0\r\n*0\r\n";
    if (name === "subscribe") return `*3\r\n$9\r\nsubscribe\r\n$${command[1]?.length}\r\n${command[1]}\r\n:1\r\n`;
    return "+OK\r\n";
  }

  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    let rest = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      rest += chunk;
      for (let read = commandIn(rest); read; read = commandIn(rest)) {
        const { command, length } = read;
        rest = rest.slice(length);
        received += 1;
        const carryOut = () => void socket.write(reply(command));
        if (waiting) waiting.push(carryOut);
        else carryOut();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    places: () => [...held.values()].map(({ count }) => count),
    received: () => received,
    stall: () => {
      const left: (() => void)[] = [];
      waiting = left;
      return () => {
        waiting = undefined;
        for (const carryOut of left) carryOut();
      };
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The first whole command of a text, `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`. */
function commandIn(text: string): { command: string[]; length: number } | undefined {
  const [head, count] = /^\*(\d+)\r\n/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const command: string[] = [];
  let at = head.length;
  for (let index = 0; index < Number(count); index += 1) {
    const [size, length] = /^\$(\d+)\r\n/.exec(text.slice(at)) ?? [];
    if (size === undefined || text.length < at + size.length + Number(length) + 2) return undefined;
    at += size.length;
    command.push(text.slice(at, at + Number(length)));
    at += Number(length) + 2;
  }
  return { command, length: at };
}
