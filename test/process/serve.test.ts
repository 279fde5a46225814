import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createNetServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { expect } from "chai";
import { serve } from "../../src/process/serve.ts";
import { freePort } from "../helpers/port.ts";
import { metric } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf } from "./serve-process.ts";

const acme = "extends: openai-images\nbase_url: ${env.ACME_URL}\nmodels: { demo: {} }\n";

const quiet = { PORT: "0", LOG_LEVEL: "silent" };

/** What a start that must fail says. */
async function failureOf(env: Record<string, string>): Promise<string> {
  return serve({ ...quiet, ...env }, () => undefined).then(
    () => "it started",
    (error: unknown) => (error as Error).message,
  );
}

/** Serve in this process for as long as `run` takes. */
async function whileServing(env: Record<string, string>, run: (url: string, said: string[]) => Promise<void> | void): Promise<void> {
  const said: string[] = [];
  const { url, close } = await serve({ ...quiet, ...env }, (line) => void said.push(line));
  try {
    await run(url, said);
  } finally {
    await close();
  }
}

describe("pictor serve", () => {
  it("serves the demo model when no key is set, and the line that it prints gives a picture", () =>
    inFolder(async (start, folder) => {
      const gateway = start();
      const url = await urlOf(gateway);
      expect(gateway.said())
        .to.match(/^channel demo is on: demo$/m)
        .and.match(/^\d+ channels are off; pictor status and LOG_LEVEL=debug name them$/m)
        .and.not.match(/^channel openai is off/m);
      expect(gateway.said()).to.include(`${url}/docs`);
      const [line] = /curl -s [^]*picture\.png/.exec(gateway.said())!;
      await promisify(execFile)("bash", ["-c", line.replace("1024x1024", "640x480")], { cwd: folder });
      const picture = await readFile(join(folder, "picture.png"));
      expect([picture.toString("latin1", 1, 4), picture.readUInt32BE(16), picture.readUInt32BE(20)]).to.deep.equal(["PNG", 640, 480]);
      expect((await fetch(`${url}/readyz`)).status).to.equal(200);
      const [, key = "none was made"] = /this key was made for you: (\S+)/.exec(gateway.said())!;
      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
      expect(gateway.logged()).to.include('"msg":"request"').and.not.include(key);
    }));

  it("makes a key for this user's eyes only, and keeps it", () =>
    inFolder(async (_, folder) => {
      const env = { PICTOR_DATA: join(folder, "data"), ...(await channelsWith(folder)) };
      const keyOf = (said: string[]) => /this key was made for you: (\S+)/.exec(said.join("\n"))?.[1];
      let key: string | undefined;
      await whileServing(env, async (_url, said) => {
        key = keyOf(said);
        expect(key).to.match(/^sk-[\w-]{32}$/);
        const file = join(folder, "data", "client-key");
        expect((await readFile(file, "utf8")).trim()).to.equal(key);
        expect(((await stat(file)).mode & 0o777).toString(8)).to.equal("600");
      });
      await whileServing(env, async (url, said) => {
        expect(keyOf(said)).to.equal(key);
        expect((await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status).to.equal(200);
        expect((await fetch(`${url}/v1/models`)).status).to.equal(401);
      });
    }));

  it("takes the operator's keys, and never shows them", () =>
    inFolder(async (start, folder) => {
      const gateway = start({ PICTOR_API_KEYS: "sk-one, sk-two,", ...(await channelsWith(folder)) });
      const url = await urlOf(gateway);
      for (const key of ["sk-one", "sk-two"])
        expect((await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status).to.equal(200);
      expect((await fetch(`${url}/v1/models`, { headers: { authorization: "Bearer " } })).status).to.equal(401);
      expect(gateway.said())
        .to.include("$PICTOR_KEY")
        .and.not.match(/sk-(one|two)/);
      expect(gateway.logged()).not.to.match(/sk-(one|two)/);
    }));

  it("says so when its port is taken, and ends", () =>
    inFolder(async (start, folder) => {
      const other = createNetServer().listen(0, "127.0.0.1");
      await once(other, "listening");
      try {
        const { port } = other.address() as AddressInfo;
        const gateway = start({ PORT: String(port), ...(await channelsWith(folder)) });
        expect(await gateway.ended).to.equal(1);
        expect(gateway.said()).to.equal(`port ${port} is taken; choose another with PORT\n`);
      } finally {
        other.close();
      }
    }));

  it("says so when its address is not one of this machine's", () =>
    inFolder(async (_, folder) => {
      const told = await failureOf({ HOST: "192.0.2.1", PICTOR_DATA: folder, ...(await channelsWith(folder)) });
      expect(told).to.match(/^HOST 192\.0\.2\.1, PORT 0: .*EADDRNOTAVAIL/);
    }));

  it("says so when a variable is wrong, without a stack", () =>
    inFolder(async (start) => {
      const gateway = start({ PORT: "http" });
      expect(await gateway.ended).to.equal(1);
      expect(gateway.said()).to.equal("PORT is http; it must be a whole number from 0 to 65535\n");
    }));

  it("tells every problem of a channel file with its place, and ends", () =>
    inFolder(async (start, folder) => {
      const channels = await channelsWith(folder, { "acme.yaml": `${acme}plugins: [sise-map]\n`, "other.yaml": `${acme}modles: {}\n` });
      const gateway = start(channels);
      expect(await gateway.ended).to.equal(1);
      expect(gateway.said())
        .to.match(/acme\.yaml:4:\d+: .*sise-map/)
        .and.match(/other\.yaml:4:1: .*modles/);
    }));

  it("serves what is right beside a broken file, an own address and a broken schema that nothing uses, and says so loudly", () =>
    inFolder(async (_, folder) => {
      const port = await freePort();
      const files = {
        "acme.yaml": acme,
        "other.yaml": `${acme}modles: {}\n`,
        "own.yaml": acme.replace("${env.ACME_URL}", `http://127.0.0.1:${port}`),
        "models/unused.json": '{ "type": 7 }',
      };
      const env = {
        ...(await channelsWith(folder, files)),
        PORT: String(port),
        PICTOR_DATA: folder,
        ACME_URL: "https://acme.example",
        PICTOR_CONFIG: join(folder, "own-gateway.yaml"),
      };
      // A model that stands in may be one of a channel that is broken.
      await writeFile(join(folder, "own-gateway.yaml"), "fallback: { demo: [other-model] }\n");
      await whileServing(env, async (url, said) => {
        expect(said.join("\n"))
          .to.match(/other\.yaml:4:1: channel: unknown key "modles"/)
          .and.match(/own\.yaml:2:11: base_url: it is this gateway's own address/)
          .and.match(/unused\.json:1:\d+: /)
          .and.match(/^2 channels are broken: other, own; the rest serves/m);
        const ready = (await (await fetch(`${url}/readyz`)).json()) as { config: string; since: string };
        expect(ready).to.include({ status: "ready", config: "degraded" });
        expect(Date.parse(ready.since)).to.be.closeTo(Date.now(), 20_000);
        expect(await metric(url, "pictor_channels_broken")).to.equal(2);
        expect(await metric(url, "pictor_config_ok")).to.equal(0);
      });
      expect(await failureOf({ ...env, PICTOR_START: "strict" })).to.match(/unused\.json[^]*other\.yaml:4:1[^]*own\.yaml:2:11/);
      await writeFile(join(folder, "own-gateway.yaml"), "fallbacks: {}\n");
      expect(await failureOf(env)).to.match(/own-gateway\.yaml:1:1: .*unknown key "fallbacks"/);
    }));

  for (const [mode, content, told] of [
    [0o666, "sk-planted-by-somebody-else\n", /client-key is open to other users \(mode 666\)/],
    [0o604, "sk-read-by-somebody-else\n", /client-key is open to other users \(mode 604\)/],
    [0o600, "short\n", /client-key holds no key of at least 16 characters/],
  ] as const)
    it(`takes no client key from a file of mode ${mode.toString(8)} with ${JSON.stringify(content)} in it`, () =>
      inFolder(async (_, folder) => {
        await writeFile(join(folder, "client-key"), content);
        await chmod(join(folder, "client-key"), mode);
        expect(await failureOf({ ...(await channelsWith(folder)), PICTOR_DATA: folder })).to.match(told);
      }));

  it("makes a client key where the file is empty, which would refuse everybody", () =>
    inFolder(async (_, folder) => {
      await writeFile(join(folder, "client-key"), "", { mode: 0o600 });
      await whileServing({ ...(await channelsWith(folder)), PICTOR_DATA: folder }, (_url, said) => {
        expect(said.join("\n")).to.match(/this key was made for you: sk-[\w-]{32}$/m);
      });
    }));

  for (const [what, env] of [
    ["its own address", (port: number) => ({ ACME_URL: `http://localhost:${port}/v1` })],
    ["its own address while it listens everywhere", (port: number) => ({ ACME_URL: `http://127.0.0.1:${port}`, HOST: "0.0.0.0" })],
    ["its public URL", () => ({ ACME_URL: "https://images.example/pictor/v1", PICTOR_PUBLIC_URL: "https://images.example/pictor/" })],
    ["its own host on the scheme's port", () => ({ ACME_URL: "https://127.0.0.1", PORT: "443" })],
  ] as const) {
    it(`refuses a channel that points at ${what}`, () =>
      inFolder(async (_, folder) => {
        const port = await freePort();
        const channels = await channelsWith(folder, { "acme.yaml": acme });
        const told = await failureOf({ PORT: String(port), PICTOR_DATA: folder, ...channels, ...env(port) });
        expect(told).to.match(/acme\.yaml:2:11: base_url: it is this gateway's own address\n/);
      }));
  }

  it("leaves nothing listening where its start fails", () =>
    inFolder(async (_, folder) => {
      const port = await freePort();
      const channels = await channelsWith(folder, { "acme.yaml": acme });
      const told = await failureOf({ PORT: String(port), PICTOR_DATA: folder, ...channels, ACME_URL: `http://127.0.0.1:${port}` });
      expect(told).to.match(/own address\n/);
      await whileServing({ PORT: String(port), PICTOR_DATA: folder, ...channels }, async (url) => {
        expect((await fetch(`${url}/livez`)).status).to.equal(200);
      });
    }));

  it("keeps the demo model beside other channels only where it is told to, and says why it is off", () =>
    inFolder(async (_, folder) => {
      const channels = await channelsWith(folder);
      await writeFile(join(folder, "channels", "acme.yaml"), acme);
      const env = { ...channels, PICTOR_DATA: folder, ACME_URL: "https://acme.example" };
      const wordy = { ...env, LOG_LEVEL: "debug" };
      await whileServing(wordy, (_url, said) => {
        expect(said).to.include.members([
          "channel acme is on: demo",
          "channel demo is off: other channels are on; PICTOR_DEMO=on keeps it",
        ]);
      });
      await whileServing({ ...env, PICTOR_DEMO: "on" }, (_url, said) => {
        expect(said).to.include.members(["channel acme is on: demo", "channel demo is on: demo"]);
      });
      await whileServing({ ...env, ACME_URL: "", DEMO_BASE_URL: "https://demo.example" }, (_url, said) => {
        expect(said[0]).to.equal("channel demo is on: demo");
      });
    }));

  it("takes a channel at the same host but another port, or another path of the public URL", () =>
    inFolder(async (_, folder) => {
      const env = { ACME_URL: "http://127.0.0.1:9/v1", PICTOR_PUBLIC_URL: "http://127.0.0.1:9/pictor", HOST: "::" };
      await whileServing({ ...env, PICTOR_DATA: folder, ...(await channelsWith(folder, { "acme.yaml": acme })) }, async (url) => {
        expect(url).to.match(/^http:\/\/\[::1\]:\d+$/);
        expect((await fetch(`${url}/readyz`)).status).to.equal(200);
      });
    }));

  it("starts with no channel on, says what to do, and is not ready", () =>
    inFolder(async (_, folder) => {
      await whileServing({ PICTOR_DATA: folder, ...(await channelsWith(folder, { "acme.yaml": acme })) }, async (url, said) => {
        expect(said[0]).to.equal("1 channel is off; pictor status and LOG_LEVEL=debug name them");
        expect(said.at(-1)).to.match(/^no channel is on/);
        expect((await fetch(`${url}/readyz`)).status).to.equal(503);
      });
    }));

  it("ends at once on SIGTERM, though connections are open", () =>
    inFolder(async (start, folder) => {
      const gateway = start(await channelsWith(folder));
      const url = new URL(await urlOf(gateway));
      const idle = connect(Number(url.port), url.hostname);
      await once(idle, "connect");
      await (await fetch(`${url.href}livez`)).text();
      const began = Date.now();
      gateway.child.kill("SIGTERM");
      expect(await gateway.ended).to.equal(0);
      expect(Date.now() - began).to.be.below(2000);
      idle.destroy();
    }));

  it("lets a request under way finish on SIGTERM, takes no new one, and ends with 0", () =>
    inFolder(async (start, folder) => {
      const asked: (() => void)[] = [];
      const provider = createServer((request, response) => {
        void text(request).then(() => asked.push(() => response.end('{"data":[{"url":"https://pictures.example/1.png"}]}')));
      }).listen(0, "127.0.0.1");
      await once(provider, "listening");
      try {
        const ACME_URL = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
        const gateway = start({ ...(await channelsWith(folder, { "acme.yaml": acme })), ACME_URL, PICTOR_API_KEYS: "sk-one" });
        const url = await urlOf(gateway);
        const answer = fetch(`${url}/v1/images/generations`, {
          method: "POST",
          headers: { authorization: "Bearer sk-one" },
          body: Buffer.from('{"model":"demo","prompt":"a cat"}'),
        });
        while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        gateway.child.kill("SIGTERM");
        while (
          await fetch(`${url}/livez`).then(
            (response) => response.ok,
            () => false,
          )
        )
          await new Promise((resolve) => setTimeout(resolve, 5));
        asked[0]!();
        const response = await answer;
        expect(response.status).to.equal(200);
        expect(response.headers.get("connection")).to.equal("close");
        expect(await response.json()).to.have.property("data");
        expect(await gateway.ended).to.equal(0);
        expect(gateway.logged().trim().split("\n")).to.have.length.within(1, 3);
      } finally {
        provider.closeAllConnections();
        provider.close();
      }
    }));
});
