// Judges a request's head, as far as Node's parser takes more than the rest of this floor can read.
import type { IncomingMessage } from "node:http";
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";

/** Refuses heads that are not right, with a 400 or 417. From here on the request's URL is a path, maybe with a query. */
export async function judgeHead({ req }: Context, next: Next): Promise<void> {
  judgeHost(req);
  const { host, path } = targetOf(req);
  req.url = path;
  // The host of an absolute target takes the place of the header's (RFC 9112 3.2.2).
  if (host !== undefined) req.headers.host = host;
  const { expect = "100-continue" } = req.headers;
  if (expect.trim().toLowerCase() !== "100-continue")
    throw invalid("the header Expect may say 100-continue and nothing else; leave it out", 417);
  await next();
}

const hostForm = /^(?:[a-z0-9._~%!$&'()*+,;=-]+|\[[0-9a-f:.v]+\])(?::\d{0,5})?$/i;

function judgeHost({ httpVersion, headers, rawHeaders }: IncomingMessage): void {
  const { host } = headers;
  if (host === undefined && httpVersion !== "1.0") throw invalid("the header Host is missing; HTTP/1.1 demands it");
  // Names and values by turns. A name's length is compared first, since this is done for each header of every request.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.length === 4 && name.toLowerCase() === "host");
  if (hosts.length > 1) throw invalid("the header Host is given more than once; send it once");
  // HTTP lets it be empty where there is no host to name.
  if (host) judgeHostName(host);
}

function judgeHostName(host: string): void {
  if (!hostForm.test(host)) throw invalid("the request's host is no host name, nor an address, with or without a port");
}

function targetOf({ url: target = "", method }: IncomingMessage): { host?: string; path: string } {
  // Databases end a text there, or take none that has it.
  if (target.includes("%00")) throw invalid("the request's target has %00, which stands for no character; leave it out");
  if (target.includes("#")) throw invalid("the request's target has a fragment; leave out what begins with #, or write %23 for it");
  if (target.startsWith("/") || (target === "*" && method === "OPTIONS")) return { path: target };
  const [, host = "", path = ""] = /^https?:\/\/([^/?]+)(.*)$/i.exec(target) ?? [];
  if (host === "") throw invalid("the request's target is neither a path that begins with / nor a whole http URL");
  judgeHostName(host);
  return { host, path: path.startsWith("/") ? path : `/${path}` };
}

function invalid(message: string, status = 400): GatewayError {
  return new GatewayError("invalid_value", message, { status });
}
