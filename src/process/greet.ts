// Prints what a person reads at the start.
import { livingModels } from "../gateway/life.ts";
import { describe } from "./describe.ts";
import type { InForce } from "./in-force.ts";

/** Say what is on, what is wrong, and how to get the first picture. What is off is counted; `isWordy` names it, with the reasons. */
export function greet(
  say: (line: string) => void,
  url: string,
  { table, file, ownKey, problems, broken }: InForce,
  { isWordy = false, hasConsole = true, now = Date.now() } = {},
): void {
  const { channels } = table;
  const models = livingModels(table, now);
  const off = channels.filter((channel) => channel.off !== undefined);
  if (isWordy) for (const { name, off: reason } of off) say(`channel ${name} is off: ${reason}`);
  for (const { name, off: reason, models: served, modelsOff } of channels) {
    if (reason !== undefined) continue;
    const on = served.filter((id) => models.some((model) => model.id === id && model.routes.some(({ channel }) => channel.name === name)));
    say(`channel ${name} is on: ${on.join(", ")}`);
    for (const [id, why] of modelsOff) say(`channel ${name} is on without ${id}: ${why}`);
  }
  if (off.length > 0 && !isWordy) say(`${counted(off.length, "channel")} off; pictor status and LOG_LEVEL=debug name them`);
  for (const { name, reason } of file.off) say(`client ${name} is off: ${reason}`);
  for (const { name, reason } of file.webhooksOff) say(`webhook ${name} is off: ${reason}`);
  for (const problem of problems) say(describe(problem));
  if (problems.length > 0) {
    const names =
      broken.length > 0
        ? `${counted(broken.length, "channel")} broken: ${broken.map(({ channel }) => channel).join(", ")}`
        : "some files are wrong";
    say(`${names}; the rest serves, and the broken ones follow once they are right`);
  }
  say(`pictor listens on ${url}; the interface is described at ${url}/docs`);
  const model = models[0]?.id;
  if (model === undefined) {
    say("no channel is on: set a provider's key, see channels/");
    return;
  }
  if (hasConsole) say(`the console, to draw and to look around: ${url}/console`);
  if (!file.makesKey) say("gateway.yaml has no client keys; pictor keys add makes one");
  if (ownKey !== undefined) say(`no client keys are set; this key was made for you: ${ownKey}`);
  const body = JSON.stringify({ model, prompt: "a lighthouse at dusk", size: "1024x1024", response_format: "url" });
  const which = ownKey === undefined ? ", with one of your client keys as PICTOR_KEY" : "";
  const call = `curl -s ${url}/v1/images/generations -H "authorization: Bearer ${ownKey ?? "$PICTOR_KEY"}" -H "content-type: application/json" -d '${body}'`;
  say(`a first picture${which}:\n\n  ${call} \\\n    | sed 's/.*"url":"\\([^"]*\\).*/\\1/' | xargs curl -so picture.png\n`);
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what} is` : `${count} ${what}s are`;
}
