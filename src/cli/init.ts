// Runs `pictor init`.
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { createProblems } from "../channels/problems.ts";
import { readSource } from "../channels/source.ts";
import { shownPath } from "../errors.ts";
import { version } from "../http/version.ts";
import { environmentDefaults, environmentNames, shippedChannels } from "../process/environment.ts";
import { textsIn } from "../channels/texts.ts";
import { didYouMean } from "../schema/suggest.ts";

/** A file that `init` has to do with, as the operator would type its path. */
export interface Begun {
  file: string;
  /** False where it was there already, and stays as it is. */
  written: boolean;
}

interface Wanted {
  name: string;
  text: string;
  description: string;
  /** The variables of the environment that it names. */
  variables: readonly string[];
}

/**
 * Write `.env` with fresh keys, `gateway.yaml`, and copies of the shipped channels that are wanted into a folder. A file that is there stays
 * as it is. Throws an Error for a channel that does not ship, before anything is written.
 */
export async function init(folder: string, names: readonly string[]): Promise<Begun[]> {
  const shipped = await shippedNames();
  const wanted = await Promise.all(names.map((name) => readWanted(nameAmong(shipped, name))));
  const channels = join(folder, "channels");
  await mkdir(channels, { recursive: true });
  const files = [
    { path: join(folder, ".env"), text: envText(wanted), mode: 0o600 },
    { path: join(folder, "gateway.yaml"), text: gatewayText },
    { path: join(channels, "channel.schema.json"), text: await readFile(join(shippedChannels, "channel.schema.json"), "utf8") },
    ...wanted.map(({ name, text }) => ({ path: join(channels, `${name}.yaml`), text })),
  ];
  const begun: Begun[] = [];
  for (const { path, text, mode } of files) begun.push({ file: shownPath(path), written: await written(path, text, mode) });
  return begun;
}

async function written(path: string, text: string, mode = 0o644): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx", mode });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Ask a person which channels are wanted. */
export async function askNames(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<string[]> {
  const names = await shippedNames();
  const asking = createInterface({ input, output });
  try {
    const answer = await asking.question(
      `These channels ship: ${names.join(", ")}.\nWhich of them do you want to change? (Enter for none) `,
    );
    return answer.split(/[\s,]+/).filter(Boolean);
  } finally {
    asking.close();
  }
}

async function shippedNames(): Promise<string[]> {
  const files = await textsIn(shippedChannels).list();
  return files.filter((file) => file.endsWith(".yaml")).map((file) => file.slice(0, -".yaml".length));
}

/** The channel of this name, or the only one that has it as a part of its name, as `acme-easel` has `easel`. */
function nameAmong(shipped: readonly string[], name: string): string {
  if (shipped.includes(name)) return name;
  const likely = shipped.filter((other) => other.split("-").includes(name));
  const [only] = likely;
  if (only !== undefined && likely.length === 1) return only;
  throw new Error(
    likely.length > 1
      ? `several channels ship that ${name} could be; write ${likely.join(" or ")}`
      : `no channel ${name} ships (${didYouMean(name, shipped)}); pictor new channel writes one of your own`,
  );
}

async function readWanted(name: string): Promise<Wanted> {
  const bytes = await readFile(join(shippedChannels, `${name}.yaml`));
  const text = bytes.toString("utf8");
  const description = readSource(name, bytes, createProblems())?.value.description;
  const [first, ...rest] = text.split("\n");
  return {
    name,
    description: typeof description === "string" ? description : name,
    variables: [...new Set([...text.matchAll(/\benv\.\??(\w+)/g)].map(([, variable]) => String(variable)))],
    text: [
      first,
      `# This is a copy of the channel that ships with pictor ${version}, and takes its place. Delete it to follow the package again.`,
      ...rest,
    ].join("\n"),
  };
}

function envText(wanted: readonly Wanted[]): string {
  const key = (bytes: number) => randomBytes(bytes).toString("base64url");
  const providers = wanted.flatMap(({ name, description, variables }) => [
    "",
    ...`${name}: ${description}`
      .trim()
      .split("\n")
      .map((line) => `# ${line}`),
    ...variables.map((variable) => `# ${variable}=`),
  ]);
  const own = Object.entries(environmentNames)
    .filter(([name]) => !["PICTOR_API_KEYS", "PICTOR_ADMIN_KEY"].includes(name))
    .flatMap(([name, meaning]) => [`# ${meaning}`, `# ${name}=${(environmentDefaults as Record<string, string>)[name] ?? ""}`]);
  return `# Settings of the gateway. Every pictor command reads this file from the folder that it runs in; what the environment sets goes before.
# Keep it to yourself: whoever reads the keys can order pictures with them.

# ${environmentNames.PICTOR_API_KEYS}
PICTOR_API_KEYS=sk-${key(24)}

# ${environmentNames.PICTOR_ADMIN_KEY}
PICTOR_ADMIN_KEY=op-${key(24)}

# The keys of providers: a channel is on as soon as its key is set, whether it was copied or ships. docs/channels.md lists the shipped ones.${providers.map((line) => `\n${line}`).join("")}

# All else, as it is where nothing is said.
${own.join("\n")}
`;
}

const gatewayText = `# Client keys, fallbacks and limits, which are read again when this file changes. docs/gateway.md describes all there is.

ledger:
  keep: 744h # how long the rows of requests are kept
  keep_answers: 24h # how long a request that is sent again under its key is answered

# keys: # beside those of PICTOR_API_KEYS; pictor keys add makes one while the gateway runs
#   - name: mobile-app
#     key: \${env.MOBILE_APP_KEY}
#     models: [gpt-image-*]
#     budget: { usd: 20, per: month }
#
# default_model: gpt-image-2.6-flare # for requests that name none
#
# fallback: # only where no channel of the model can serve a request, and the client is told
#   gpt-image-2.6-flare: [flux-3-image]
`;
