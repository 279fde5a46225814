// Judges which addresses a channel's lists of hosts mean.

/** The ports that a URL need not name. */
const standardPorts: Record<string, number> = { "http:": 80, "https:": 443 };

/** The channel's own origins and what these say: `pictures.lan:9000`, any name below `*.example.com`, every port of `pictures.lan:*`. */
export function hostsOf(addresses: readonly string[], hosts: readonly string[]): (url: URL) => boolean {
  const origins = originsOf(addresses);
  return (url) =>
    origins.includes(url.origin) ||
    hosts.some((host) => {
      const [, name = "", port = ""] = /^(.*?)(?::(\d+|\*))?$/.exec(host.toLowerCase()) ?? [];
      const isPort = port === "*" || Number(port || standardPorts[url.protocol]) === Number(url.port || standardPorts[url.protocol]);
      return isPort && (name.startsWith("*.") ? url.hostname.endsWith(name.slice(1)) : url.hostname === name);
    });
}

/** The key goes in the clear, or to another port, only where the channel's own addresses do. */
export function safely(isKnown: (url: URL) => boolean, addresses: readonly string[]): (url: URL) => boolean {
  const origins = originsOf(addresses);
  return (url) => isKnown(url) && (origins.includes(url.origin) || (url.protocol === "https:" && url.port === ""));
}

function originsOf(addresses: readonly string[]): string[] {
  return addresses.flatMap((address) => (URL.canParse(address) ? [new URL(address).origin] : []));
}
