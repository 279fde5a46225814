// Makes the connections to providers and pictures, directly or through the environment's proxy. Guarded connections reach public addresses only.
import dns, { type LookupAddress } from "node:dns";
import http from "node:http";
import https from "node:https";
import { isIP, isIPv6, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { getProxyForUrl } from "proxy-from-env";
import { isPublic } from "./public-address.ts";

/** The `code` of the error when a guarded connection meets an address that is not public. */
export const notPublicCode = "ENOTPUBLIC";
/** The `code` of the error when the proxy did not make the connection. */
export const proxyCode = "EPROXY";

interface AgentOptions extends http.AgentOptions {
  /** Connect to public addresses only. The addresses are checked after the name is resolved, also when a proxy makes the connection. */
  guarded?: boolean;
  /** Must call back asynchronously, as `dns.lookup` does: Node loses the error of a connection whose lookup calls back synchronously. */
  lookup?: LookupFunction;
}

export interface Agents {
  http: http.Agent;
  https: https.Agent;
}

type Connected = (error: Error | null, socket?: Duplex) => void;
type Target = tls.ConnectionOptions & { host?: string; port?: number };
/** Opens one connection of an agent: returns the socket, or passes it to the callback once it is ready. */
type Connect = (options: Target, connected: Connected) => Duplex | undefined;

/** Time that a tunnel through a proxy may take, in milliseconds: a call with a shorter time limit of its own gives up earlier. */
export const patience = 30_000;

/** True where the environment names a proxy. */
export const isProxied = () =>
  ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((name) => process.env[name] ?? process.env[name.toLowerCase()]);

/** Agents for both schemes. They use the proxies that the environment names when they are created. */
export function createAgents({ guarded = false, lookup, ...sockets }: AgentOptions = {}): Agents {
  const resolve = guarded ? judging(lookup ?? dns.lookup) : lookup;
  const options = { ...sockets, ...(resolve && { lookup: resolve }) };
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };
  const proxied = isProxied();
  for (const [scheme, agent] of Object.entries(agents) as ["http" | "https", { createConnection: Connect }][]) {
    const direct = agent.createConnection.bind(agent);
    const connect: Connect = (target, connected) => {
      const { host = "localhost", port = 0 } = target;
      // An IP address needs no lookup, so `resolve` would never check it.
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

/** Wraps a lookup, and fails unless all addresses of the name are public: the caller may connect to any of them. */
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
 * Passes one checked address to `through`. The proxy is given this address and not the name, so that it cannot resolve the name to another one.
 * An IPv4 address is preferred: the proxy may have no IPv6.
 */
function resolveOne(resolve: LookupFunction, host: string, failed: (error: Error) => void, through: (address: string) => void): void {
  resolve(host, { all: true }, (error, found) => {
    const addresses = error ? [] : (found as LookupAddress[]);
    const judged = addresses.find(({ family }) => family === 4) ?? addresses[0];
    if (judged) through(judged.address);
    else failed(error ?? notPublic());
  });
}

/** The proxy for a target. Loopback addresses never go through a proxy. */
function proxyFor(scheme: string, host: string, port: number): URL | undefined {
  if (/^(?:.+\.)?localhost$/i.test(host) || /^127\./.test(host) || host === "::1") return undefined;
  const name = isIPv6(host) ? `[${host}]` : host;
  const proxy = getProxyForUrl(`${scheme}://${name}:${port}`).trim();
  return proxy === "" ? undefined : new URL(proxy);
}

/** Opens a connection to a host through a proxy. If the proxy refuses, nothing has reached the host. */
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

/** Starts TLS over a tunnel. Calls back after the handshake: until then no byte of a request has been sent. */
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
