// Decides which URLs a channel's lists of hosts include.

/** The ports that a URL need not name. */
const standardPorts: Record<string, number> = { "http:": 80, "https:": 443 };

/**
 * True for URLs at the channel's own origins or the listed hosts: `pictures.lan:9000`, any name below `*.example.com`, any port of
 * `pictures.lan:*`.
 */
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

/** The same URLs, restricted for the key: outside the channel's own origins only https on its standard port. */
export function safely(isKnown: (url: URL) => boolean, addresses: readonly string[]): (url: URL) => boolean {
  const origins = originsOf(addresses);
  return (url) => isKnown(url) && (origins.includes(url.origin) || (url.protocol === "https:" && url.port === ""));
}

function originsOf(addresses: readonly string[]): string[] {
  return addresses.flatMap((address) => (URL.canParse(address) ? [new URL(address).origin] : []));
}
