import type { Socket } from "node:net";

/** Something that a provider does wrong. */
export interface Fault {
  name: string;
  /** What it does with a connection on which a request has come. */
  talk?: (socket: Socket) => void;
  /** Where it is sought, if not where it listens: a port that nobody has, a name that nobody has, or as if it spoke TLS. */
  at?: "closed" | "nobody" | "tls";
  /** What the client is told where there is no other channel. */
  told: readonly [status: number, code: string];
  retryAfter?: number;
  /** Set where nothing was made and a repeat is of no use: the operator has to act. */
  hopeless?: true;
  /** Whether it is certain that nothing was made. Only then is another channel asked. */
  proof: boolean;
  /** How often it is called; it has two keys. */
  calls: number;
  /** The limit of its file that ends it. */
  ends?: Deadline;
  /** Where a request went well on the same connection before. */
  again?: boolean;
  /** Where the request is one that does not fit into the connection's buffers. */
  large?: boolean;
}

/** Limits of the channel file, and the milliseconds after which they end what hangs. */
export const deadlines = {
  timeout: { limits: "{ timeout: 200ms }", after: 200 },
  first_byte: { limits: "{ first_byte: 100ms }", after: 100 },
  connect: { limits: "{ connect: 100ms }", after: 100 },
};
export type Deadline = keyof typeof deadlines;

const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const json = '{"data":[{"url":"https://a.example/1"}]}';
const whole = `${head}content-length: ${json.length}\r\n\r\n${json}`;
const saying = (text: string) => (socket: Socket) => socket.end(text);

/** Say something, and reset the connection when it was heard: each look at the sockets lets the gateway, in this process, read. */
const resetAfter = (text: string) => (socket: Socket) =>
  socket.write(text, () => setImmediate(() => setImmediate(() => setImmediate(() => socket.resetAndDestroy()))));

function drip(socket: Socket): void {
  socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
  const timer = setInterval(() => socket.write("1\r\n \r\n"), 20);
  socket.once("close", () => clearInterval(timer));
}

const answer = (status: number, body = "{}", headers = "") =>
  saying(`HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`);

const failed = [502, "upstream_error"] as const;
const late = [504, "upstream_timeout"] as const;
const unclear = [502, "bad_upstream_response"] as const;
const invalid = [400, "invalid_value"] as const;
const limited = [429, "rate_limit_exceeded"] as const;
const busy = [503, "upstream_error"] as const;

/** Nothing was made: another key may have more luck, and then another channel. */
const harmless = { proof: true, calls: 2 };
/** A picture may have been made: nobody else is asked. */
const doubtful = { proof: false, calls: 1 };

const statuses: Fault[] = [
  ...[401, 402, 403].map((status) => ({ name: String(status), talk: answer(status), told: failed, hopeless: true as const, ...harmless })),
  ...[404, 405, 425].map((status) => ({ name: String(status), talk: answer(status), told: failed, ...harmless })),
  { name: "429", talk: answer(429), told: limited, retryAfter: 1, ...harmless },
  { name: "429 with retry-after", talk: answer(429, "{}", "retry-after: 7\r\n"), told: limited, retryAfter: 7, ...harmless },
  { name: "503", talk: answer(503), told: busy, retryAfter: 5, ...harmless },
  // The time that it names holds for its other key too.
  { name: "503 with retry-after", talk: answer(503, "{}", "retry-after: 7\r\n"), told: busy, retryAfter: 7, proof: true, calls: 1 },
  { name: "529", talk: answer(529), told: failed, retryAfter: 5, ...harmless },
  ...[400, 409, 422].map((status) => ({ name: String(status), talk: answer(status), told: invalid, ...doubtful })),
  ...[408, 504, 524].map((status) => ({ name: String(status), talk: answer(status), told: late, ...doubtful })),
  ...[500, 502].map((status) => ({ name: String(status), talk: answer(status), told: failed, ...doubtful })),
  ...[301, 302, 303, 307, 308].map((status) => ({
    name: `${status}, which is never followed`,
    talk: answer(status, "", "location: /elsewhere\r\n"),
    told: unclear,
    ...doubtful,
  })),
  { name: "204", talk: saying("HTTP/1.1 204 No Content\r\n\r\n"), told: unclear, ...doubtful },
  { name: "HTML in a 200", talk: answer(200, "<html>Welcome</html>"), told: unclear, ...doubtful },
  { name: "HTML in a 502", talk: answer(502, "<html>Bad gateway</html>"), told: failed, ...doubtful },
  { name: "an error in a 200", talk: answer(200, '{"error":{"message":"out of order"}}'), told: failed, ...doubtful },
  { name: "a 503 that is cut", talk: saying("HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\n{"), told: busy, retryAfter: 5, ...harmless },
];

const connections: Fault[] = [
  { name: "a connection that is refused", at: "closed", told: failed, proof: true, calls: 0 },
  { name: "a name that is nobody's", at: "nobody", told: failed, proof: true, calls: 0 },
  { name: "no TLS", at: "tls", talk: saying("no TLS here"), told: failed, proof: true, calls: 1 },
  { name: "TLS that is reset", at: "tls", talk: (socket) => socket.resetAndDestroy(), told: failed, proof: true, calls: 1 },
  { name: "TLS that hangs", at: "tls", told: late, proof: true, calls: 1, ends: "connect" },
  { name: "TLS that hangs for the whole time", at: "tls", told: late, proof: true, calls: 1, ends: "timeout" },
  { name: "a reset while the request is sent", large: true, talk: (socket) => socket.resetAndDestroy(), told: failed, ...doubtful },
  { name: "a reset before the answer", talk: (socket) => socket.resetAndDestroy(), told: failed, ...doubtful },
  { name: "a reset in the answer's head", talk: resetAfter(head), told: failed, ...doubtful },
  { name: "a reset in the answer's body", talk: resetAfter(`${head}content-length: 100\r\n\r\n{"data":`), told: unclear, ...doubtful },
  {
    name: "a reset on a connection that was kept",
    talk: (socket) => socket.once("data", () => socket.resetAndDestroy()).write(whole),
    again: true,
    told: failed,
    ...doubtful,
  },
  { name: "a close without a word", talk: saying(""), told: failed, ...doubtful },
];

const silences: Fault[] = [
  { name: "silence", told: late, ends: "timeout", ...doubtful },
  { name: "silence for longer than an answer may take to begin", told: late, ends: "first_byte", ...doubtful },
  { name: "silence in the answer's head", talk: (socket) => socket.write(head), told: late, ends: "timeout", ...doubtful },
  {
    name: "silence in the answer's body",
    talk: (socket) => socket.write(`${head}content-length: 100\r\n\r\n{"data":`),
    told: late,
    ends: "timeout",
    ...doubtful,
  },
  {
    name: "silence in a 503's body",
    talk: (socket) => socket.write("HTTP/1.1 503 No\r\ncontent-length: 100\r\n\r\n{"),
    told: busy,
    retryAfter: 5,
    ends: "timeout",
    ...harmless,
  },
  { name: "an endless drip", talk: drip, told: late, ends: "timeout", ...doubtful },
];

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;

const answers: Fault[] = Object.entries({
  "more bytes said than sent": `${head}content-length: 100\r\n\r\n{"data":[]}`,
  "fewer bytes said than sent": `${head}content-length: 5\r\n\r\n{"data":[]}`,
  "an end in the middle of a chunk": `${head}transfer-encoding: chunked\r\n\r\nff\r\n{"data"`,
  "gzip said and none sent": `${head}content-encoding: gzip\r\ncontent-length: 11\r\n\r\n{"data":[]}`,
  "an answer nested without end": `${head}\r\n{"data":${deep}}`,
  "a usage nested without end": `${head}\r\n{"data":[{"url":"https://a.example/1"}],"usage":${deep}}`,
  "300 MB announced": `${head}content-length: ${300 * 1024 * 1024}\r\n\r\n{`,
}).map(([name, text]) => ({ name, talk: saying(text), told: unclear, ...doubtful }));

const protocols: Fault[] = Object.entries({
  "something else than HTTP": "SSH-2.0-OpenSSH_9\r\n",
  "a header that is none": "HTTP/1.1 200 OK\r\nbad\u0000header: x\r\n\r\n",
  "endless headers": `HTTP/1.1 200 OK\r\n${"x-a: b\r\n".repeat(5000)}\r\n`,
  "another protocol": "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}).map(([name, text]) => ({ name, talk: saying(text), told: failed, ...doubtful }));

export const faults: readonly Fault[] = [...statuses, ...connections, ...silences, ...answers, ...protocols];
