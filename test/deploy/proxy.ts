// Starts a proxy in front of gateways: nginx with the file of deploy/, or another program.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface Proxy {
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Start a proxy and wait until it answers at the URL. */
export async function startProxy(program: string, args: readonly string[], url: string, env: Record<string, string> = {}): Promise<Proxy> {
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], env: { PATH: process.env.PATH, ...env } });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  for (let tries = 0; ; tries += 1) {
    try {
      await fetch(url);
      return { signal: (name) => void child.kill(name), stop };
    } catch (error) {
      if (tries < 100) await delay(100);
      else throw new Error(`${program} does not answer at ${url}`, { cause: await stop().then(() => error) });
    }
  }
}

/** Start nginx with `deploy/nginx.conf`, before these servers. Its files are in the folder; `access.log` says who got each request. */
export async function startNginx(program: string, folder: string, { port, servers }: { port: number; servers: string[] }): Promise<Proxy> {
  const site = (await readFile("deploy/nginx.conf", "utf8"))
    .replace("server 127.0.0.1:8080 max_fails=0;", servers.map((server) => `server ${server} max_fails=0;`).join(" "))
    .replace("listen 80;", `listen 127.0.0.1:${port};`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  const log = `log_format short '$upstream_addr $status'; access_log ${folder}/access.log short; error_log ${folder}/error.log;`;
  const file = join(folder, "nginx.conf");
  await writeFile(file, `daemon off; pid ${folder}/nginx.pid; events {} http { ${log} ${temporary} ${site} }`);
  return startProxy(program, ["-c", file, "-e", join(folder, "error.log")], `http://127.0.0.1:${port}/docs`);
}
