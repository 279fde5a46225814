// Finds channels that point at this gateway.
import { hostname, networkInterfaces } from "node:os";
import type { Channel } from "../channels/route.ts";
import type { ProcessSettings } from "./environment.ts";

/** Whether a channel that is on points at this gateway: it would send every request round in a circle. */
export function isOwnAddress({ baseUrl, off }: Channel, { host, port, publicUrl }: ProcessSettings): boolean {
  if (off) return false;
  const loopback = ["localhost", "127.0.0.1", "::1"];
  const everywhere = host === "0.0.0.0" || host === "::";
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
  const hosts = new Set([host, ...(everywhere || loopback.includes(host) ? loopback : []), ...(everywhere ? [hostname(), ...all] : [])]);
  const url = new URL(baseUrl);
  const isOwn = hosts.has(url.hostname.replace(/^\[|\]$/g, "")) && Number(url.port || (url.protocol === "https:" ? 443 : 80)) === port;
  return isOwn || (publicUrl !== undefined && `${url.href}/`.startsWith(`${publicUrl}/`));
}
