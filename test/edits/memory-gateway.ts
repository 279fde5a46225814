// A gateway in a process of its own, which reports the most memory that it had.
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gatewayWith } from "../helpers/channels.ts";

const [base = ""] = process.argv.slice(2);

const channel = `
description: A provider of these tests.
extends: openai-images
base_url: ${base}
models:
  gpt-image-1: {}
plugins: [image-inputs]
`;

/** Kilobytes at most since the start. The figure of `resourceUsage` begins with what the process had that started this one. */
const peak = () => Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);

/** Bytes outside of the heap from which on they are collected. */
const garbage = 24 * 1024 * 1024;

// V8 lets garbage outside of its heap come before it collects, from Node 24 on 64 MB of it, which would be measured in place of what is held.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
setInterval(() => process.memoryUsage().external > garbage && collect(), 5).unref();

const gateway = await gatewayWith({ "acme.yaml": channel });
process.on("message", () => process.send?.(peak()));
process.on("disconnect", () => void gateway.close().then(() => process.exit()));
process.send?.({ url: gateway.url, key: gateway.key });
