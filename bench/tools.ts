// Builds and installs the tools of the benchmark.
import { spawnSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { solidPng } from "../src/picture/png.ts";
import { has } from "./processes.ts";

const project = fileURLToPath(new URL("../../", import.meta.url));

/** Whatever is built, installed and written lies here, and goes with `dist`. */
export const scratch = join(project, "dist/bench/scratch");
export const channels = join(scratch, "channels");

export interface Tools {
  /** Commands that the arguments of the stub and of the load are put behind. */
  stub: string[];
  load: string[];
  nginx: string | undefined;
  portkey: string | undefined;
  /** What is missing here, or stands in for something. */
  notes: string[];
}

/** Versions are fixed so that ratios of two runs can be compared. */
const portkeyVersion = "1.15.2";

/** Build and install what the benchmark needs and is not there yet. `quick` installs nothing. */
export function prepareTools(quick: boolean): Tools {
  mkdirSync(scratch, { recursive: true });
  rmSync(channels, { recursive: true, force: true });
  mkdirSync(join(channels, "models"), { recursive: true });
  cpSync(join(project, "channels/presets"), join(channels, "presets"), { recursive: true });
  for (const name of ["common.json", "dall-e-2.json"]) cpSync(join(project, "channels/models", name), join(channels, "models", name));
  cpSync(join(project, "bench/bench.yaml"), join(channels, "bench.yaml"));
  const notes: string[] = [];
  const nginx = findNginx(quick);
  if (!nginx) notes.push("nginx is not installed and could not be downloaded, so it is left out");
  const portkey = findPortkey(quick);
  if (!portkey) notes.push(`Portkey's gateway is left out${quick ? ": a quick run installs nothing" : ": npm could not install it"}`);
  return { stub: native("stub", notes), load: native("load", notes), nginx, portkey, notes };
}

/** Compiled C where there is a compiler: Node could not saturate a proxy. */
function native(name: "stub" | "load", notes: string[]): string[] {
  const program = join(scratch, name);
  const source = join(project, `bench/native/${name}.c`);
  if (has("cc") && spawnSync("cc", ["-O2", "-o", program, source], { stdio: "inherit" }).status === 0) return [program];
  notes.push(`there is no C compiler: the ${name} is a Node program, which bounds what is measured`);
  return [process.execPath, join(project, `dist/bench/fallback/${name}.js`)];
}

function findNginx(quick: boolean): string | undefined {
  if (has("nginx")) return "nginx";
  const folder = join(scratch, "nginx");
  const program = join(folder, "usr/sbin/nginx");
  if (!existsSync(program) && !quick && has("apt-get") && has("dpkg")) {
    // Unpacked, not installed: nothing of the machine is changed.
    mkdirSync(folder, { recursive: true });
    spawnSync("apt-get", ["download", "nginx"], { cwd: folder });
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".deb"))) spawnSync("dpkg", ["-x", name, "."], { cwd: folder });
  }
  return existsSync(program) && spawnSync(program, ["-v"]).status === 0 ? program : undefined;
}

function findPortkey(quick: boolean): string | undefined {
  const folder = join(scratch, "portkey");
  const program = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js");
  if (!existsSync(program) && !quick) {
    mkdirSync(folder, { recursive: true });
    spawnSync("npm", ["install", "--no-save", "--silent", "--prefix", folder, `@portkey-ai/gateway@${portkeyVersion}`]);
  }
  return existsSync(program) ? program : undefined;
}

/** A picture of exactly so many bytes: a real PNG, with noise behind its end that is the same every time. */
export function pictureOf(bytes: number): Buffer {
  const png = solidPng(1024, 1024);
  const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes - png.length));
  return Buffer.concat([png, noise]);
}

/** Write a file of the scratch folder; its path. */
export function put(name: string, content: string | Buffer): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}
