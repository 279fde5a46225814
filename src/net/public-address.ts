// Says which addresses are public: only those may be reached through a URL that a stranger chose.
import { BlockList, isIP } from "node:net";

const special = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // At this address a cloud's internal services answer its virtual machines.
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
// Of IPv6 only global unicast is public, without the forms that embed an IPv4 address: mapped, compatible, NAT64, 6to4 and Teredo.
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
 * True for a URL whose host is visibly private: an IP address that is not public, in any notation, or `localhost`. Any other name gives false: only
 * the machine that resolves the name can check its addresses.
 */
export function isPlainlyPrivate({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|[\].]$/g, "");
  return isIP(host) === 0 ? /^(?:.+\.)?localhost$/.test(host) : !isPublic(host);
}
