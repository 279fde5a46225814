// Answers what Node's parser does not hand on as a request.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

interface Answer {
  line: string;
  message: string;
}

/** Answers to requests that could not be read, by the parser's code. */
export const unreadable: Record<string, Answer> = {
  HPE_HEADER_OVERFLOW: { line: "431 Request Header Fields Too Large", message: "the request's headers are larger than 16 KB" },
  ERR_HTTP_REQUEST_TIMEOUT: { line: "408 Request Timeout", message: "the request did not arrive in time" },
  CONNECT: { line: "405 Method Not Allowed", message: "the method CONNECT is not allowed: this is no proxy" },
};

/** The answer where none of those fits. */
export const malformed: Answer = { line: "400 Bad Request", message: "the request is not valid HTTP" };

/**
 * Answer what never became a request in the same shape as every other error, and close its connection. Answers to whole requests that came
 * before it on the same connection go out first: they may have been paid for.
 */
export function answerMalformed(server: Server): void {
  const connections = new WeakMap<Duplex, { running: Map<ServerResponse, IncomingMessage>; code?: string }>();
  const of = (socket: Duplex) => {
    const known = connections.get(socket) ?? { running: new Map<ServerResponse, IncomingMessage>() };
    connections.set(socket, known);
    return known;
  };
  const refuse = (socket: Duplex) => {
    const { running, code = "" } = of(socket);
    if ([...running.values()].some(({ complete }) => complete)) return;
    // Behind the beginning of an answer another one would pass for a part of it.
    if (!socket.writable || [...running.keys()].some(({ headersSent }) => headersSent)) socket.destroy();
    else answer(socket, code);
  };
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const { running } = of(socket);
    running.set(response, request);
    response.once("close", () => {
      running.delete(response);
      if (of(socket).code !== undefined) refuse(socket);
    });
  });
  server.on("clientError", ({ code = "" }: NodeJS.ErrnoException, socket: Duplex) => {
    const known = of(socket);
    // The parser complains again of all that comes after the first mistake.
    if (known.code !== undefined && socket.writable) return;
    known.code = code;
    if (code === "ECONNRESET") socket.destroy();
    else refuse(socket);
  });
  server.on("connect", (_, socket: Duplex) => {
    // A connection that was handed over has no other listener.
    socket.on("error", () => socket.destroy());
    answer(socket, "CONNECT");
  });
}

function answer(socket: Duplex, code: string): void {
  const { line, message } = unreadable[code] ?? malformed;
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } });
  // A client that goes on sending would lose the answer if the connection were gone at once; one that was late has sent nothing.
  const linger = code === "ERR_HTTP_REQUEST_TIMEOUT" ? 0 : 1000;
  socket.end(
    `HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => setTimeout(() => socket.destroy(), linger).unref(),
  );
}
