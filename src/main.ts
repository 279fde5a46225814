#!/usr/bin/env node
// The command line.
import cluster from "node:cluster";
import { Command, Option } from "commander";
import { fieldsOf } from "./cli/fields.ts";
import { lastCalls } from "./process/messages.ts";
import { likes, writeChannel, type NewChannel } from "./cli/new-channel.ts";
import type { KeysOptions } from "./cli/keys.ts";
import type { ExplainOptions } from "./cli/explain.ts";
import type { StatusOptions } from "./cli/status.ts";
import type { RequestsOptions } from "./cli/requests.ts";
import type { ListOptions } from "./cli/webhooks.ts";
import { usualAddress } from "./process/address.ts";
import { describe } from "./process/describe.ts";
import { workerCount } from "./process/worker-count.ts";
import { useEnvFile, withEnvFile } from "./process/env-file.ts";
import { ConfigError, messageOf } from "./errors.ts";
import { version } from "./http/version.ts";

// Each command loads what it needs: the process that only looks after those that serve stays small.

const print = (line: string) => void process.stdout.write(`${line}\n`);
const tell = (line: string) => void process.stderr.write(`${line}\n`);

// A reader that stops early, such as head, is no fault of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const program = new Command("pictor").description("One images API in front of every image model.").version(version).showHelpAfterError();

/** End a command that goes on by itself at the first signal to the process, and at once at the second. */
function untilTold(close: (signal: NodeJS.Signals) => Promise<void>): void {
  const names = ["SIGTERM", "SIGINT"] as const;
  const stop = (signal: NodeJS.Signals) => {
    for (const name of names) process.off(name, stop);
    // A last call to a provider, to cancel a task, may still be under way; it is not waited for without end.
    void close(signal)
      .catch((error: unknown) => {
        tell(messageOf(error));
        process.exitCode = 1;
      })
      .finally(() => setTimeout(() => process.exit(), lastCalls).unref());
  };
  for (const name of names) process.on(name, stop);
}

// The first process of several hands its environment on as it is: each worker reads the file itself, and again when it changes.
program.hook("preAction", (_, command) => {
  if (command.name() !== "serve") useEnvFile(process.env);
  const isCall = command.options.some(({ long }) => long === "--url");
  if (isCall && command.getOptionValue("url") === undefined) command.setOptionValue("url", usualAddress(process.env));
});

/** Reload at each SIGHUP: one that comes during the start, which it would end, is for what has started. */
function reloadable<T extends number | { reload: () => unknown }>(starting: Promise<T>): Promise<T> {
  const reload = (started: T) => {
    if (typeof started !== "number") started.reload();
  };
  process.on("SIGHUP", () => void starting.then(reload, () => undefined));
  return starting;
}

program
  .command("serve")
  .description("start the gateway")
  .option("--workers <number>", "processes on one port, 0 to serve in this very one; PICTOR_WORKERS when omitted")
  .action(async ({ workers }: { workers?: string }) => {
    if (workers !== undefined) process.env.PICTOR_WORKERS = workers;
    if (cluster.isWorker) return (await import("./process/worker.ts")).serveAsWorker(process.env, tell, useEnvFile(process.env));
    const count = workerCount(withEnvFile(process.env));
    if (count === 0) {
      const serving = await reloadable((await import("./process/worker.ts")).serveAlone(process.env, tell, useEnvFile(process.env)));
      untilTold((signal) => serving.close({ patient: signal === "SIGTERM" }));
      return;
    }
    const started = await reloadable((await import("./process/supervise.ts")).startWorkers(count, tell));
    if (typeof started === "number") return void (process.exitCode = started);
    untilTold((signal) => started.close({ patient: signal === "SIGTERM" }));
  });

program
  .command("init [channels...]")
  .description("write .env with fresh keys, gateway.yaml, and copies of these shipped channels; nothing is overwritten")
  .option("--json", "for machines")
  .action(async (names: string[], options: { json?: boolean }) => {
    const { askNames, init } = await import("./cli/init.ts");
    const asks = names.length === 0 && process.stdin.isTTY && process.stdout.isTTY && !options.json;
    const files = await init(".", asks ? await askNames(process.stdin, process.stdout) : names);
    if (options.json) {
      print(JSON.stringify({ files }));
      return;
    }
    for (const { file, written } of files) print(`${file} ${written ? "is written" : "is there already, and stays as it is"}`);
    print("set a provider's key in .env, and start the gateway here: npx pictor");
  });

program
  .command("check [files...]")
  .description("check the channel files and tell every problem")
  .option("--json", "for machines")
  .action(async (files: string[], options: { json?: boolean }) => {
    const { check } = await import("./cli/check.ts");
    process.exitCode = await check(files, options, process.env, print);
  });

program
  .command("test [files...]")
  .description("run the channels' own tests, offline")
  .option("--json", "for machines")
  .action(async (files: string[], options: { json?: boolean }) => {
    const { test } = await import("./cli/check.ts");
    process.exitCode = await test(files, options, process.env, print);
  });

program
  .command("explain <model> [fields...]")
  .description("show what becomes of a request, and the exact provider requests; nothing is sent")
  .usage(
    "<model> --size '16:9(4K)' --prompt 'a cat' [--image cat.png] [--mask mask.png] [--stream] [--json]\n" +
      "       pictor explain --door <name> <path> [--body request.json] [--json]",
  )
  .option(
    "--image <file>",
    "an image to edit; several in the order they are given",
    (file: string, before: string[]) => [...before, file],
    [],
  )
  .option("--mask <file>", "the mask that goes with the first of them")
  .option("--stream", "as a client that wants a stream")
  .option("--door <name>", "as a client of this door: in place of the model stands a path of its API, with its query")
  .option("--body <json>", "the body of that request: JSON, a file, or - for the standard input")
  .option("--json", "for machines")
  .allowUnknownOption()
  .action(async (model: string, fields: string[], { door, ...options }: ExplainOptions) => {
    const around = { env: process.env, say: print };
    if (door === undefined) process.exitCode = await (await import("./cli/explain.ts")).explain(model, fieldsOf(fields), options, around);
    else process.exitCode = await (await import("./cli/explain-door.ts")).explainDoor(door, model, { ...options, fields }, around);
  });

program
  .command("verify [channel]")
  .description("try the keys with each provider's free call, and compare its list of models with the file")
  .option("--json", "for machines")
  .action(async (channel: string | undefined, options: { json?: boolean }) => {
    const { verify } = await import("./cli/verify.ts");
    process.exitCode = await verify(channel, options, process.env, print);
  });

program
  .command("mock <channel>")
  .description("start a local provider that answers as the channel's tests say; demo draws")
  .option("--port <port>", "port to listen on, 0 for any", "8090")
  .option("--json", "for machines")
  .action(async (channel: string, options: { port: string; json?: boolean }) => {
    const { mock } = await import("./cli/mock.ts");
    const serving = await mock(channel, options, process.env, print);
    untilTold(() => serving.close());
  });

program
  .command("status")
  .description("show what a running gateway says of its channels")
  .option("--url <url>", "where it listens; by HOST and PORT when omitted")
  .option("--clear <channel>", "lift the cool-downs of a channel first; needs PICTOR_ADMIN_KEY")
  .option("--json", "for machines")
  .action(async (options: StatusOptions & { url: string }) => {
    const { status } = await import("./cli/status.ts");
    process.exitCode = await status(options.url, options, process.env, print);
  });

program
  .command("requests [id]")
  .description("show the newest requests of all clients, or one; needs PICTOR_ADMIN_KEY")
  .option("--failed", "only those that failed")
  .option("--status <status>", "only these: queued, in_progress, completed, failed, cancelled, uncertain")
  .option("--client <name>", "only this client's")
  .option("--model <id>", "only this model's")
  .option("--channel <name>", "only those that this channel answered")
  .option("--trace <id>", "only those of this trace")
  .option("--since <time>", "Unix seconds, or a date such as 2026-11-28T12:00:00Z")
  .option("--until <time>", "the same")
  .option("--limit <number>", "how many, at most", "50")
  .option("--url <url>", "where the gateway listens; by HOST and PORT when omitted")
  .option("--json", "for machines: a line each")
  .action(async (id: string | undefined, options: RequestsOptions & { url: string }) => {
    const { listRequests, showRequest } = await import("./cli/requests.ts");
    if (id === undefined) await listRequests(options.url, options, process.env, print);
    else await showRequest(options.url, id, process.env, print);
  });

const webhooks = program.command("webhooks").description("the events that tell webhooks of the end of jobs; needs PICTOR_ADMIN_KEY");

webhooks
  .command("list", { isDefault: true })
  .description("show the newest events, and what has become of them")
  .option("--url <url>", "where the gateway listens; by HOST and PORT when omitted")
  .addOption(new Option("--status <status>", "only these").choices(["waiting", "delivered", "failed"]))
  .option("--limit <number>", "how many, at most", "50")
  .option("--json", "for machines")
  .action(async (options: ListOptions & { url: string }) => {
    const { listDeliveries } = await import("./cli/webhooks.ts");
    await listDeliveries(options.url, options, process.env, print);
  });

webhooks
  .command("redeliver <id>")
  .description("send an event once more, also to a webhook that wanted no more")
  .option("--url <url>", "where the gateway listens; by HOST and PORT when omitted")
  .option("--json", "for machines")
  .action(async (id: string, options: { url: string; json?: boolean }) => {
    const { redeliver } = await import("./cli/webhooks.ts");
    await redeliver(options.url, { ...options, id }, process.env, print);
  });

const keys = program.command("keys").description("clients' keys, added and revoked while the gateway runs; needs PICTOR_ADMIN_KEY");

/** A command on keys: `run` gets its options, and what it calls and says with. */
function keysCommand(name: string, description: string, isDefault = false): Command {
  return keys
    .command(name, { isDefault })
    .description(description)
    .option("--url <url>", "where the gateway listens; by HOST and PORT when omitted")
    .option("--json", "for machines");
}

const around = { env: process.env, say: print, note: tell };

const addCommand = keysCommand("add <name>", "make a key for a client, and print it once").action(
  async (name: string, options: KeysOptions & Record<string, unknown>) => (await import("./cli/keys.ts")).addKey(name, options, around),
);
const changeCommand = keysCommand("change <name>", "give a key something else")
  .option("--unset <names>", "what is taken away, such as models,expires")
  .action(async (name: string, options: KeysOptions & Record<string, unknown>) =>
    (await import("./cli/keys.ts")).changeKey(name, options, around),
  );
if (process.argv[2] === "keys") {
  const { keyFlags } = await import("./cli/key-flags.ts");
  for (const flag of keyFlags()) for (const command of [addCommand, changeCommand]) command.addOption(flag);
}

keysCommand("list", "show all clients and their keys", true).action(async (options: KeysOptions) =>
  (await import("./cli/keys.ts")).listKeys(options, around),
);

keysCommand("show <name>", "show a key, and what was done with it").action(async (name: string, options: KeysOptions) =>
  (await import("./cli/keys.ts")).showKey(name, options, around),
);

keysCommand("revoke <name>", "end a key, in every process within a second").action(async (name: string, options: KeysOptions) =>
  (await import("./cli/keys.ts")).revokeKey(name, options, around),
);

keysCommand("rotate <name>", "make another key in its place, and print it once")
  .option("--grace <time>", "how long the old one is good, such as 24h; it ends at once when omitted")
  .action(async (name: string, options: KeysOptions & { grace?: string }) =>
    (await import("./cli/keys.ts")).rotateKey(name, options, around),
  );

program
  .command("new")
  .description("write something new")
  .command("channel <name>")
  .description("write a commented channel file that passes check")
  .requiredOption("--base-url <url>", "the provider's address")
  .addOption(new Option("--like <kind>", "what it is like: the usual API, one call of its own, or a task").choices(likes).default("openai"))
  .option("--model <id>", "the public name of its model; NAME-1 when omitted")
  .option("--schema <name>", "the model's schema, a file of models/", "demo")
  .option("--json", "for machines")
  .action(async (name: string, options: Omit<NewChannel, "name" | "model"> & { model?: string; json?: boolean }) => {
    const { channelTexts, ownFolder, readSettings } = await import("./process/environment.ts");
    const { channels } = readSettings(process.env);
    const file = await writeChannel(ownFolder(channels), { ...options, name, model: options.model ?? `${name}-1` }, channelTexts(channels));
    const command = `pictor check ${name} && pictor test ${name}`;
    print(options.json ? JSON.stringify({ file }) : `${file} is written; change what is different there, then run ${command}`);
  });

try {
  // Without a command it serves. A default command would take a misspelt one for an argument.
  await program.parseAsync(process.argv.length > 2 ? process.argv : [...process.argv, "serve"]);
} catch (error) {
  if (error instanceof ConfigError) for (const problem of error.problems) tell(describe(problem));
  else tell(messageOf(error));
  process.exitCode = 1;
  // The channel to the first process would keep a worker from its end.
  cluster.worker?.disconnect();
}
