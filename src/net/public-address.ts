// Says which addresses are public: a URL that somebody else chose leads to no other.
import { BlockList, isIP } from "node:net";

const special = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // A cloud's own services answer every machine of it at this address.
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  special.addSubnet(net, bits, "ipv4");
// Global unicast alone, so that no form that holds an IPv4 address is let in: mapped, compatible, NAT64's, 6to4's and Teredo's.
for (const [net, bits] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const)
  special.addSubnet(net, bits, "ipv6");
const global = new BlockList();
global.addSubnet("2000::", 3, "ipv6");

/** True for an IP address of the public internet, false for anything else. */
export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, "ipv4");
  return family === 6 && global.check(address, "ipv6") && !special.check(address, "ipv6");
}

/**
 * True for a URL that says by itself that it leads to no public address, however that is written. A name but `localhost` does not: it is judged by
 * whoever resolves it, since only there is known what it leads to.
 */
export function isPlainlyPrivate({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|[\].]$/g, "");
  return isIP(host) === 0 ? /^(?:.+\.)?localhost$/.test(host) : !isPublic(host);
}
