// Follows the Dockerfile step by step in root folders of Debian, where no container engine is, and tries what comes of it.
// Usage, as root: node dist/test/deploy/image.js BASE SCRATCH, where BASE is a root folder that stands for the image the Dockerfile begins with.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../helpers/port.ts";

interface Stage {
  root: string;
  env: Record<string, string>;
  workdir: string;
  user: string;
  volumes: string[];
  entrypoint: string[];
  command: string[];
  health: string[];
}

const [base = "", scratch = ""] = process.argv.slice(2).map((path) => resolve(path));
/** What a build on this machine needs to reach the registry. */
const reach = Object.fromEntries(Object.entries(process.env).filter(([name]) => /proxy|_cert|^npm_config_/i.test(name)));

const run = (command: string, args: readonly string[]) => execFileSync(command, args, { stdio: "inherit" });

/** The instructions, with lines that go on put together, and comments left out. */
function instructionsOf(dockerfile: string): { name: string; rest: string }[] {
  const lines = dockerfile
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n");
  return lines
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", rest = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      return { name, rest };
    });
}

/** Run a command of the shell in a root folder of its own, with what every machine has mounted. */
function inRoot({ root, env, workdir }: Stage, command: string): void {
  const mounts = `mount -t proc proc ${root}/proc && mount --bind /dev ${root}/dev`;
  const settings = Object.entries({
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    ...reach,
    ...env,
  });
  const variables = settings.map(([name, value]) => `${name}=${value}`);
  run("unshare", [
    "--mount",
    "sh",
    "-ec",
    `${mounts}; exec chroot ${root} env -i "$@"`,
    "sh",
    ...variables,
    "sh",
    "-ec",
    `cd ${workdir}; ${command}`,
  ]);
}

/** The context of the build: all that .dockerignore does not leave out. */
function copyContext(to: string): void {
  const ignored = readFileSync(".dockerignore", "utf8").split("\n").filter(Boolean);
  const excluded = ignored.filter((line) => !line.startsWith("!")).map((line) => `--exclude=./${line}`);
  const kept = ignored.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  run("sh", ["-ec", `tar -c ${excluded.join(" ")} . | tar -x -C ${to}`]);
  for (const name of kept) cpSync(name, join(to, name));
}

function build(): Stage {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const { name, rest } of instructionsOf(readFileSync("Dockerfile", "utf8"))) {
    process.stdout.write(`${name} ${rest}\n`);
    if (name === "FROM") {
      const [, , as = "last"] = /^(\S+)(?: AS (\w+))?$/.exec(rest) ?? [];
      const root = join(scratch, as);
      rmSync(root, { recursive: true, force: true });
      run("cp", ["-a", base, root]);
      stage = { root, env: {}, workdir: "/", user: "0:0", volumes: [], entrypoint: [], command: [], health: [] };
      stages.set(as, stage);
      continue;
    }
    if (!stage) throw new Error("the Dockerfile does not begin with FROM");
    const { root, workdir } = stage;
    const inside = (path: string) => join(root, resolve(workdir, path));
    const steps: Record<string, () => void> = {
      ENV: () => Object.assign(stage!.env, Object.fromEntries(rest.split(" ").map((pair) => pair.split("=") as [string, string]))),
      WORKDIR: () => mkdirSync(join(root, (stage!.workdir = rest)), { recursive: true }),
      USER: () => (stage!.user = rest),
      VOLUME: () => stage!.volumes.push(rest),
      EXPOSE: () => undefined,
      ENTRYPOINT: () => (stage!.entrypoint = JSON.parse(rest) as string[]),
      CMD: () => (stage!.command = JSON.parse(rest) as string[]),
      HEALTHCHECK: () => (stage!.health = JSON.parse(rest.replace(/^.*?CMD /, "")) as string[]),
      RUN: () => inRoot(stage!, rest),
      COPY: () => {
        const [, from, paths = ""] = /^(?:--from=(\w+) )?(.*)$/.exec(rest) ?? [];
        const [to = "", ...sources] = paths.split(" ").reverse();
        for (const source of sources) {
          if (source === ".") {
            copyContext(inside(to));
            continue;
          }
          const path = from === undefined ? source : join(stages.get(from)!.root, source);
          // Of a folder the content is copied, and a folder is meant by a slash at the end.
          cpSync(path, to.endsWith("/") ? join(inside(to), source.split("/").at(-1)!) : inside(to === "." ? source : to), {
            recursive: true,
            verbatimSymlinks: true,
          });
        }
      },
    };
    const step = steps[name];
    if (!step) throw new Error(`${name} is an instruction that this test does not know`);
    step();
  }
  return stage!;
}

/** Run the last stage as an engine would: as its user, on a root that nobody can write, with a volume; draw a picture, and end it. */
async function tryOut({ root, env, workdir, user, volumes, entrypoint, command, health }: Stage): Promise<void> {
  const port = String(await freePort());
  const variables = Object.entries({ PATH: "/usr/local/bin:/usr/bin:/bin", PORT: port, PICTOR_API_KEYS: "a-key-of-the-test", ...env }).map(
    ([name, value]) => `${name}=${value}`,
  );
  const mounts = [
    `mount --bind ${root} ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount --bind /dev ${root}/dev`,
    ...volumes.map((path) => `mount -t tmpfs -o uid=${user.split(":")[0]} tmpfs ${root}${path}`),
    `mount -o remount,ro,bind ${root}`,
  ];
  const args = [
    "--mount",
    "sh",
    "-ec",
    `${mounts.join("; ")}; exec chroot --userspec=${user} ${root} env -i -C ${workdir} "$@"`,
    "sh",
    ...variables,
  ];
  const serving = spawn("unshare", [...args, ...entrypoint, ...command], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(serving, "exit");
  try {
    let healthy = false;
    for (let tries = 0; tries < 100 && !healthy && serving.exitCode === null; tries += 1) {
      await delay(200);
      healthy = (await once(spawn("unshare", [...args, ...health], { stdio: "ignore" }), "exit"))[0] === 0;
    }
    if (!healthy) throw new Error("it does not become healthy");
    const answer = await fetch(`http://127.0.0.1:${port}/v1/images/generations`, {
      method: "POST",
      headers: { authorization: "Bearer a-key-of-the-test", "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", prompt: "a lighthouse", response_format: "url" }),
    });
    const { data } = (await answer.json()) as { data: { url: string }[] };
    const picture = Buffer.from(await (await fetch(data[0]!.url)).arrayBuffer());
    if (picture.toString("latin1", 1, 4) !== "PNG") throw new Error("it does not draw");
    process.stdout.write(`a picture of ${picture.length} bytes\n`);
  } finally {
    serving.kill("SIGTERM");
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`it ends with ${code} when it is told to`);
}

await tryOut(build());
