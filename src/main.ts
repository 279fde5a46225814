#!/usr/bin/env node
import { Command } from "commander";
import { check, describe, test } from "./cli/check.ts";
import { serve } from "./cli/serve.ts";
import { ConfigError, messageOf } from "./errors.ts";
import { version } from "./http/version.ts";

const print = (line: string) => void process.stdout.write(`${line}\n`);
const tell = (line: string) => void process.stderr.write(`${line}\n`);

const program = new Command("pictor").description("One images API in front of every image model.").version(version).showHelpAfterError();

program
  .command("serve")
  .description("start the gateway")
  .action(async () => {
    const serving = await serve(process.env, tell);
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => void serving.close());
  });

program
  .command("check [files...]")
  .description("check the channel files and tell every problem")
  .option("--json", "for machines")
  .action(async (files: string[], options: { json?: boolean }) => {
    process.exitCode = await check(files, options, process.env, print);
  });

program
  .command("test [files...]")
  .description("run the channels' own tests, offline")
  .option("--json", "for machines")
  .action(async (files: string[], options: { json?: boolean }) => {
    process.exitCode = await test(files, options, process.env, print);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof ConfigError) for (const problem of error.problems) tell(describe(problem));
  else tell(messageOf(error));
  process.exitCode = 1;
}
