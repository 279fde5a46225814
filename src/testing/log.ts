// Reads the log of a gateway under test.
import pino, { type Logger } from "pino";

/** A line of the log. */
interface Line {
  msg?: string;
  err?: unknown;
}

/** The line of a request that has ended. */
export interface RequestLine extends Line {
  cost_usd?: number;
  cost_from?: string;
}

/** A log whose lines are kept. `ended` resolves with the line of the next request that ends. */
export function watchLog(): { logger: Logger; lines: Line[]; ended: () => Promise<RequestLine> } {
  const lines: Line[] = [];
  let tell: (line: RequestLine) => void = () => undefined;
  const write = (text: string) => {
    const line = JSON.parse(text) as RequestLine;
    lines.push(line);
    if (line.msg === "request") tell(line);
  };
  return {
    logger: pino({ level: "info", serializers: { err: (error: Error) => error.stack } }, { write }),
    lines,
    ended: () => new Promise((resolve) => (tell = resolve)),
  };
}

/** A mistake in the gateway or in a plugin, with its place, of a line of the log. A client hears no more than that there was one. */
export function crashIn({ err }: Line): string[] {
  const [message, place = ""] = (typeof err === "string" ? err : "").split("\n");
  // A provider's failure is no mistake of ours.
  return message && !/^(?:Gateway|Provider)\w+:/.test(message) ? [`the gateway logged ${message} ${place.trim()}`] : [];
}
