import type { InForce } from "./in-force.ts";

/** Say what is on, what is off and why, and how to get the first picture. */
export function greet(say: (line: string) => void, url: string, { table, file, ownKey }: InForce): void {
  const { channels, models } = table;
  for (const { name, off, models: served, modelsOff } of channels) {
    const on = served.filter((id) => !modelsOff.has(id));
    say(off ? `channel ${name} is off: ${off}` : `channel ${name} is on: ${on.join(", ")}`);
    if (off === undefined) for (const [id, reason] of modelsOff) say(`channel ${name} is on without ${id}: ${reason}`);
  }
  for (const { name, reason } of file.off) say(`client ${name} is off: ${reason}`);
  say(`pictor listens on ${url}; the interface is described at ${url}/docs`);
  const [model] = models.keys();
  if (model === undefined) {
    say("no channel is on: set a provider's key, see channels/");
    return;
  }
  if (ownKey !== undefined) say(`no client keys are set; this key was made for you: ${ownKey}`);
  const body = JSON.stringify({ model, prompt: "a lighthouse at dusk", size: "1024x1024", response_format: "url" });
  const call = `curl -s ${url}/v1/images/generations -H "authorization: Bearer ${ownKey ?? "$PICTOR_KEY"}" -H "content-type: application/json" -d '${body}'`;
  say(`a first picture:\n\n  ${call} \\\n    | sed 's/.*"url":"\\([^"]*\\).*/\\1/' | xargs curl -so picture.png\n`);
}
