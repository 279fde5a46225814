// Makes the connections to providers and pictures: direct or through the environment's proxy, and for strangers' URLs to public addresses only.
import dns, { type LookupAddress } from "node:dns";
import http from "node:http";
import https from "node:https";
import { isIP, isIPv6, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { getProxyForUrl } from "proxy-from-env";
import { isPublic } from "./public-address.ts";

/** The `code` of the error that a connection to an address that is not public fails with. */
export const notPublicCode = "ENOTPUBLIC";
/** The `code` where the proxy did not connect. */
export const proxyCode = "EPROXY";

interface AgentOptions extends http.AgentOptions {
  /** Connect to public addresses only; judged once the name is resolved, also where a proxy makes the connection. */
  guarded?: boolean;
  /** Must answer later, as `dns.lookup` does: of an answer that comes at once Node misses the errors. */
  lookup?: LookupFunction;
}

export interface Agents {
  http: http.Agent;
  https: https.Agent;
}

type Connected = (error: Error | null, socket?: Duplex) => void;
type Target = tls.ConnectionOptions & { host?: string; port?: number };
/** Opens an agent's connections; a socket that is ready later is passed to the callback. */
type Connect = (options: Target, connected: Connected) => Duplex | undefined;

/** Time that a tunnel through a proxy may take, in milliseconds: this holds where no call is less patient. */
export const patience = 30_000;

/** True where the environment names a proxy. */
export const isProxied = () =>
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((name) => process.env[name] ?? process.env[name.toLowerCase()]);

/** Agents for both schemes. The environment's proxies are those of the moment they are made. */
export function createAgents({ guarded = false, lookup, ...sockets }: AgentOptions = {}): Agents {
  const resolve = guarded ? judging(lookup ?? dns.lookup) : lookup;
  const options = { ...sockets, ...(resolve && { lookup: resolve }) };
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };
  const proxied = isProxied();
  for (const [scheme, agent] of Object.entries(agents) as ["http" | "https", { createConnection: Connect }][]) {
    const direct = agent.createConnection.bind(agent);
    const connect: Connect = (target, connected) => {
      const { host = "localhost", port = 0 } = target;
      // Of an address nothing is looked up.
      if (guarded && isIP(host) && !isPublic(host)) {
        connected(notPublic());
        return undefined;
      }
      const proxy = proxied ? proxyFor(scheme, host, port) : undefined;
      if (proxy === undefined) return direct(target, connected);
      const through = (address: string) =>
        tunnel(proxy, address, port, (error, socket) => {
          if (!socket || scheme === "http") connected(error, socket);
          else secure({ ...target, socket }, connected);
        });
      if (guarded && resolve && !isIP(host)) resolveOne(resolve, host, connected, through);
      else through(host);
      return undefined;
    };
    if (guarded || proxied) agent.createConnection = connect;
  }
  return agents;
}

/** Addresses of a name, all of which must be public: who asks may take any of them. */
function judging(lookup: LookupFunction): LookupFunction {
  return (name, options, callback) =>
    lookup(name, { ...options, all: true }, (error, found) => {
      const addresses = found as LookupAddress[];
      const [first] = error ? [] : addresses;
      if (error) callback(error, "");
      else if (!first || !addresses.every(({ address }) => isPublic(address))) callback(notPublic(), "");
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
}

function notPublic(): Error {
  return Object.assign(new Error("the address is not public"), { code: notPublicCode });
}

function proxyFailed(why: string, cause?: Error): Error {
  return Object.assign(new Error(`the proxy ${why}`, { cause }), { code: proxyCode });
}

/**
 * The proxy gets the address that was judged, so that it cannot find another behind the name. Of several it gets IPv4 first: it may have no
 * other way out.
 */
function resolveOne(resolve: LookupFunction, host: string, failed: (error: Error) => void, through: (address: string) => void): void {
  resolve(host, { all: true }, (error, found) => {
    const addresses = error ? [] : (found as LookupAddress[]);
    const judged = addresses.find(({ family }) => family === 4) ?? addresses[0];
    if (judged) through(judged.address);
    else failed(error ?? notPublic());
  });
}

/** The proxy for a target; this machine's own addresses are never asked for elsewhere. */
function proxyFor(scheme: string, host: string, port: number): URL | undefined {
  if (/^(?:.+\.)?localhost$/i.test(host) || /^127\./.test(host) || host === "::1") return undefined;
  const name = isIPv6(host) ? `[${host}]` : host;
  const proxy = getProxyForUrl(`${scheme}://${name}:${port}`).trim();
  return proxy === "" ? undefined : new URL(proxy);
}

/** A connection to a host through a proxy. Where the proxy refuses it nothing has reached the host. */
function tunnel(proxy: URL, host: string, port: number, connected: Connected): void {
  const path = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const request = (proxy.protocol === "https:" ? https : http).request({
    host: proxy.hostname.replace(/^\[|\]$/g, ""),
    port: proxy.port || undefined,
    method: "CONNECT",
    path,
    headers: { host: path, ...(user !== ":" && { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` }) },
    agent: false,
  });
  const late = setTimeout(() => request.destroy(proxyFailed("did not answer in time")), patience);
  request.once("close", () => clearTimeout(late));
  request.once("error", (error: NodeJS.ErrnoException) =>
    connected(error.code === proxyCode ? error : proxyFailed("cannot be reached", error)),
  );
  request.once("connect", ({ statusCode = 0 }, socket) => {
    clearTimeout(late);
    if (statusCode >= 200 && statusCode < 300) connected(null, socket);
    else {
      socket.destroy();
      connected(proxyFailed(`answered with status ${statusCode}`));
    }
  });
  request.end();
}

/** TLS over a tunnel; ready once it stands, so that until then no byte of a request has left. */
function secure(target: tls.ConnectionOptions, connected: Connected): void {
  const socket = tls.connect(target);
  const late = setTimeout(() => socket.destroy(new Error("no secure connection stood in time")), patience);
  const failed = (error: Error) => {
    clearTimeout(late);
    connected(error);
  };
  socket.once("error", failed);
  socket.once("secureConnect", () => {
    clearTimeout(late);
    socket.off("error", failed);
    connected(null, socket);
  });
}
