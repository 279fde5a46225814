// A small S3 on loopback, which judges signatures by its own reading of Signature Version 4, and fails as it is told to.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";

interface Stored {
  body: Buffer;
  headers: Record<string, string>;
}

/** Answers a call in the place of the store; false where the store answers itself. */
export type Trouble = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface SmallS3 {
  url: string;
  objects: Map<string, Stored>;
  /** Method and name of each call that it judged to be signed rightly. */
  calls: string[];
  /** Objects in a page of its list. */
  page: number;
  trouble: Trouble | undefined;
  /** Connections that are open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export const keys = { id: "AKIDTEST", secret: "SKTEST/with+signs", token: "session/token==" };

/** Answers with an error in XML. */
export function xmlError(response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): true {
  response.writeHead(status, { "content-type": "application/xml", ...headers });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code} ${keys.secret}</Message></Error>`);
  return true;
}

/** Starts it with one bucket, `pictures`. */
export async function startS3(now: () => number = Date.now): Promise<SmallS3> {
  const objects: SmallS3["objects"] = new Map();
  const s3: SmallS3 = {
    url: "",
    objects,
    calls: [],
    page: 1000,
    trouble: undefined,
    connections: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  };
  const server = createServer((request, response) => {
    void serve(request, response, s3, now).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  s3.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  s3.connections = promisify(server.getConnections.bind(server));
  s3.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return s3;
}

async function serve(request: IncomingMessage, response: ServerResponse, s3: SmallS3, now: () => number): Promise<void> {
  const body = await buffer(request);
  if (s3.trouble?.(request, response)) return;
  const url = new URL(request.url ?? "/", s3.url);
  const wrong = judge(request, url, body, now());
  if (wrong) return void xmlError(response, 403, wrong);
  const [, bucket, key = ""] = /^\/([^/]+)(?:\/(.*))?$/.exec(url.pathname) ?? [];
  s3.calls.push(`${request.method} ${key}`);
  if (bucket !== "pictures") return void xmlError(response, 404, "NoSuchBucket");
  if (url.searchParams.get("list-type") === "2") list(url, response, s3);
  else if (url.searchParams.has("delete")) remove(request, response, body, s3.objects);
  else if (request.method === "PUT") {
    const kept = Object.entries(request.headers).filter(([name]) => /^(content-type|cache-control|x-amz-meta-.*)$/.test(name));
    s3.objects.set(key, { body, headers: Object.fromEntries(kept) as Record<string, string> });
    response.writeHead(200, { etag: `"${createHash("md5").update(body).digest("hex")}"` }).end();
  } else give(request, response, s3.objects.get(key));
}

function give({ method, headers }: IncomingMessage, response: ServerResponse, object: Stored | undefined): void {
  if (!object) {
    if (method === "HEAD") return void response.writeHead(404).end();
    return void xmlError(response, 404, "NoSuchKey");
  }
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  const part = first === undefined ? object.body : object.body.subarray(Number(first), Number(last) + 1);
  response.writeHead(first === undefined ? 200 : 206, { ...object.headers, "content-length": part.length });
  response.end(method === "HEAD" ? undefined : part);
}

function list(url: URL, response: ServerResponse, { objects, page }: SmallS3): void {
  const prefix = url.searchParams.get("prefix") ?? "";
  const after = url.searchParams.get("continuation-token") ?? "";
  const left = [...objects.keys()].filter((key) => key.startsWith(prefix) && `&${key}` > after).sort();
  const shown = left.slice(0, page);
  const more = left.length > shown.length ? `<NextContinuationToken>&amp;${shown.at(-1)}</NextContinuationToken>` : "";
  const contents = shown.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
  response.end(`<?xml version="1.0"?><ListBucketResult><IsTruncated>${more !== ""}</IsTruncated>${contents}${more}</ListBucketResult>`);
}

function remove(request: IncomingMessage, response: ServerResponse, body: Buffer, objects: SmallS3["objects"]): void {
  if (request.headers["content-md5"] !== createHash("md5").update(body).digest("base64")) return void xmlError(response, 400, "BadDigest");
  for (const [, key = ""] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) objects.delete(key);
  response.end(`<?xml version="1.0"?><DeleteResult/>`);
}

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
const rfc3986 = (text: string) =>
  [...Buffer.from(text)]
    .map((byte) =>
      /[\w.~-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
const timeOf = (stamp: string) => Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));

/** The code of the error in a request's signature; undefined where it is right. */
function judge(request: IncomingMessage, url: URL, body: Buffer, now: number): string | undefined {
  const signed = url.searchParams.has("X-Amz-Signature") ? inQuery(url) : inHeader(request);
  if (!signed) return "AccessDenied";
  const { id, date, region, names, signature, stamp, payload, token } = signed;
  if (id !== keys.id) return "InvalidAccessKeyId";
  if (token !== keys.token) return "InvalidToken";
  if (Math.abs(timeOf(stamp) - now) > 15 * 60_000) return "RequestTimeTooSkewed";
  if (signed.until < now) return "AccessDenied";
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== sha256(body)) return "XAmzContentSHA256Mismatch";
  if (!names.includes("host")) return "AccessDenied";
  const query = [...url.searchParams]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => `${rfc3986(name)}=${rfc3986(value)}`)
    .sort()
    .join("&");
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? "")}\n`).join("");
  const canonical = `${request.method}\n${url.pathname}\n${query}\n${headers}\n${names.join(";")}\n${payload}`;
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secret}`, date), region), "s3"), "aws4_request");
  const wanted = hmac(key, `AWS4-HMAC-SHA256\n${stamp}\n${date}/${region}/s3/aws4_request\n${sha256(canonical)}`);
  const given = Buffer.from(signature, "hex");
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? undefined : "SignatureDoesNotMatch";
}

interface Signature {
  id: string;
  date: string;
  region: string;
  names: string[];
  signature: string;
  stamp: string;
  payload: string;
  token: string;
  until: number;
}

function inHeader({ headers }: IncomingMessage): Signature | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/;
  const [, id = "", date = "", region = "", names = "", signature = ""] = form.exec(headers.authorization ?? "") ?? [];
  if (id === "") return undefined;
  const [stamp, payload, token] = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"].map((name) => String(headers[name] ?? ""));
  return { id, date, region, names: names.split(";"), signature, stamp: stamp!, payload: payload!, token: token!, until: Infinity };
}

function inQuery({ searchParams }: URL): Signature {
  const value = (name: string) => searchParams.get(`X-Amz-${name}`) ?? "";
  const [id = "", date = "", region = ""] = value("Credential").split("/");
  const stamp = value("Date");
  const until = timeOf(stamp) + Number(value("Expires")) * 1000;
  const names = value("SignedHeaders").split(";");
  return {
    id,
    date,
    region,
    names,
    signature: value("Signature"),
    stamp,
    payload: "UNSIGNED-PAYLOAD",
    token: value("Security-Token"),
    until,
  };
}
