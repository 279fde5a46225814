import type { Server } from "node:http";
import type { Duplex } from "node:stream";

const answers: Partial<Record<string, { line: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: { line: "431 Request Header Fields Too Large", message: "the request's headers are larger than 16 KB" },
  ERR_HTTP_REQUEST_TIMEOUT: { line: "408 Request Timeout", message: "the request did not arrive in time" },
};

const malformed = { line: "400 Bad Request", message: "the request is not valid HTTP" };

/** Answer what never became a request in the same shape as every other error, and close its connection. */
export function answerMalformed(server: Server): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const { line, message } = answers[error.code ?? ""] ?? malformed;
    const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } });
    // A client that goes on sending would lose the answer if the connection were gone at once; one that was late has sent nothing.
    const linger = error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 0 : 1000;
    socket.end(
      `HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => setTimeout(() => socket.destroy(), linger).unref(),
    );
  });
}
