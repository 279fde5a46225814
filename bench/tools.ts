// Builds and installs the tools of the benchmark.
import { spawnSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
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
  litellm: string | undefined;
  oneApi: string | undefined;
  /** What is missing here, or stands in for something. */
  notes: string[];
}

/** Versions are fixed so that ratios of two runs can be compared. */
const portkeyVersion = "1.15.2";
const litellmVersion = "1.108.7";
const oneApiVersion = "v0.6.10";

/** Build and install what the benchmark needs and is not there yet. `quick` installs nothing. */
export function prepareTools(quick: boolean): Tools {
  mkdirSync(scratch, { recursive: true });
  putChannels(project, channels);
  const notes: string[] = [];
  const nginx = findNginx(quick);
  if (!nginx) notes.push("nginx is not installed and could not be downloaded, so it is left out");
  const portkey = findPortkey(quick);
  if (!portkey) notes.push(`Portkey's gateway is left out${quick ? ": a quick run installs nothing" : ": npm could not install it"}`);
  const litellm = findLitellm(quick);
  if (!litellm) notes.push(`LiteLLM is left out${quick ? ": a quick run installs nothing" : ": pip could not install it"}`);
  const oneApi = findOneApi(quick);
  if (!oneApi) notes.push(`One API is left out${quick ? ": a quick run builds nothing" : ": Go could not build it"}`);
  notes.push("Bifrost and New API are left out: the Go module proxy has no release of them");
  return { stub: native("stub", notes), load: native("load", notes), nginx, portkey, litellm, oneApi, notes };
}

/** Put the benchmark's channel and door, as the tree of a commit has it, into a folder. */
export function putChannels(tree: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "models"), { recursive: true });
  cpSync(join(tree, "channels/presets"), join(folder, "presets"), { recursive: true });
  for (const name of ["common.json", "dall-e-2.json"]) cpSync(join(tree, "channels/models", name), join(folder, "models", name));
  cpSync(join(tree, "bench/bench.yaml"), join(folder, "bench.yaml"));
  const door = join(tree, "channels/doors/gemini.yaml");
  // A tree of an old commit has none.
  if (existsSync(door)) cpSync(door, join(folder, "doors/gemini.yaml"));
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

function findLitellm(quick: boolean): string | undefined {
  const folder = join(scratch, "litellm");
  const program = join(folder, "bin/litellm");
  if (!existsSync(program) && !quick && has("python3") && spawnSync("python3", ["-m", "venv", folder]).status === 0)
    spawnSync(join(folder, "bin/pip"), ["install", "--quiet", `litellm[proxy]==${litellmVersion}`], { stdio: "inherit" });
  return existsSync(program) ? program : undefined;
}

/** One API is a Go module that embeds web pages which are not in it; empty ones stand in for them. */
function findOneApi(quick: boolean): string | undefined {
  const folder = join(scratch, "one-api");
  const program = join(folder, "one-api");
  if (!existsSync(program) && !quick && has("go")) {
    const downloaded = spawnSync("go", ["mod", "download", "-json", `github.com/songquanpeng/one-api@${oneApiVersion}`]);
    if (downloaded.status !== 0) return undefined;
    const { Dir } = JSON.parse(downloaded.stdout.toString()) as { Dir: string };
    cpSync(Dir, folder, { recursive: true });
    // Files of Go's cache are read-only.
    spawnSync("chmod", ["-R", "u+w", folder]);
    for (const theme of ["default", "berry", "air"]) {
      mkdirSync(join(folder, "web/build", theme), { recursive: true });
      writeFileSync(join(folder, "web/build", theme, "index.html"), "<!doctype html>");
    }
    spawnSync("go", ["build", "-o", program, "."], { cwd: folder, stdio: "inherit" });
    writeTokens(join(folder, "tokens"));
  }
  return existsSync(program) ? program : undefined;
}

/** One API downloads lists of tokens when it starts, which pictures do not need: a list of the single bytes stands in for each. */
function writeTokens(folder: string): void {
  mkdirSync(folder);
  const bytes = Array.from({ length: 256 }, (_, byte) => `${Buffer.from([byte]).toString("base64")} ${byte}\n`).join("");
  for (const name of ["cl100k_base", "o200k_base"]) {
    const url = `https://openaipublic.blob.core.windows.net/encodings/${name}.tiktoken`;
    writeFileSync(join(folder, createHash("sha1").update(url).digest("hex")), bytes);
  }
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
