// Finds channels that point at this gateway.
import { hostname, networkInterfaces } from "node:os";
import type { Channel } from "../channels/route.ts";
import type { ProcessSettings } from "./environment.ts";

/** True for a channel that is on and points at this gateway: it would send every request round in a circle. */
export function isOwnAddress({ baseUrl, otherAddresses, off }: Channel, { host, port, publicUrl }: ProcessSettings): boolean {
  if (off) return false;
  const loopback = ["localhost", "127.0.0.1", "::1"];
  const everywhere = host === "0.0.0.0" || host === "::";
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
  const hosts = new Set([host, ...(everywhere || loopback.includes(host) ? loopback : []), ...(everywhere ? [hostname(), ...all] : [])]);
  return [baseUrl, ...otherAddresses].some((address) => {
    const url = new URL(address);
    const isOwn = hosts.has(url.hostname.replace(/^\[|\]$/g, "")) && Number(url.port || (url.protocol === "https:" ? 443 : 80)) === port;
    return isOwn || (publicUrl !== undefined && `${url.href}/`.startsWith(`${publicUrl}/`));
  });
}

/** Throws for a channel that points at this gateway. */
export function refuseOwnAddress(channels: readonly Channel[], settings: Parameters<typeof isOwnAddress>[1]): void {
  const own = channels.find((channel) => isOwnAddress(channel, settings));
  if (own) throw new Error(`channel ${own.name}: its base_url is this gateway's own address`);
}
