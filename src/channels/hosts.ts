// Tells which addresses a channel's lists of hosts mean.

/** The ports that a URL need not name. */
const standardPorts: Record<string, number> = { "http:": 80, "https:": 443 };

/** The channel's own origin and what these say: `pictures.lan:9000`, any name below `*.example.com`, every port of `pictures.lan:*`. */
export function hostsOf(baseUrl: string, hosts: readonly string[]): (url: URL) => boolean {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : undefined;
  return (url) =>
    url.origin === origin ||
    hosts.some((host) => {
      const [, name = "", port = ""] = /^(.*?)(?::(\d+|\*))?$/.exec(host.toLowerCase()) ?? [];
      const isPort = port === "*" || Number(port || standardPorts[url.protocol]) === Number(url.port || standardPorts[url.protocol]);
      return isPort && (name.startsWith("*.") ? url.hostname.endsWith(name.slice(1)) : url.hostname === name);
    });
}

/** The key goes in the clear, or to another port, only where the channel's own address does. */
export function safely(isKnown: (url: URL) => boolean, baseUrl: string): (url: URL) => boolean {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : undefined;
  return (url) => isKnown(url) && (url.origin === origin || (url.protocol === "https:" && url.port === ""));
}
