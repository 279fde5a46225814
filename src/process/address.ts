// Says where a gateway of this machine is reached.

/** The URL at which a browser on this machine finds the server that listens on this host and port. */
export function addressOf(host: string, port: number | string): string {
  const name = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** The URL of the gateway that this environment starts, for the commands that call one. */
export function usualAddress({ HOST, PORT }: Readonly<Record<string, string | undefined>>): string {
  return addressOf(HOST?.trim() || "127.0.0.1", PORT?.trim() || "8080");
}
