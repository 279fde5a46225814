import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { serve, type Serving } from "../../src/process/serve.ts";
import { metric, until } from "../http/setup.ts";
import { channelsWith, inFolder } from "./serve-process.ts";

const acme = `extends: openai-images
base_url: \${env.ACME_URL}
models: { demo: {} }
`;
const tested = (status: number) => `${acme}tests:
  - name: a picture comes back
    request: { model: demo, prompt: a cat }
    exchange:
      - expect: { post: /images/generations }
        reply: { json: { data: [{ url: "https://a.example/1.png" }] } }
    answer: { status: ${status} }
`;

interface Ready {
  status: string;
  reload?: { ok: boolean; problems: string[] };
  channels: { name: string; state: string }[];
}

const readyOf = async (url: string) =>
  (await (await fetch(`${url}/readyz`, { headers: { authorization: "Bearer sk-operator" } })).json()) as Ready;

const keys = { PICTOR_API_KEYS: "sk-one", PICTOR_ADMIN_KEY: "sk-operator" };

/** Serve in this process with a folder of channels of its own. */
function whileServing(files: Record<string, string>, run: (serving: Serving, folder: string) => Promise<void>, env = {}): Promise<void> {
  return inFolder(async (_, folder) => {
    const channels = await channelsWith(folder, files);
    const all = { PORT: "0", LOG_LEVEL: "silent", ...keys, PICTOR_DATA: join(folder, "data"), ...channels, ...env };
    const serving = await serve(all, () => undefined);
    try {
      await run(serving, folder);
    } finally {
      await serving.close();
    }
  });
}

describe("reloading while serving", () => {
  const env = { ACME_URL: "https://acme.example" };

  it("puts files in force as they change, and keeps what is there while one is broken", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ url }, folder) => {
        const file = (name: string) => join(folder, "channels", name);
        const names = async () => (await readyOf(url)).channels.map(({ name }) => name);
        expect((await readyOf(url)).reload).to.equal(undefined);
        await writeFile(file("other.yaml"), acme);
        await until(async () => (await names()).includes("other"));
        await writeFile(file("other.yaml"), `${acme}modles: {}\n`);
        await until(async () => !(await readyOf(url)).reload?.ok);
        const broken = await readyOf(url);
        expect(broken).to.include({ status: "ready" });
        expect(broken.reload!.problems[0]).to.match(/other\.yaml:4:1: .*modles/);
        expect(broken.channels.map(({ name }) => name)).to.deep.equal(["acme", "other"]);
        expect(await metric(url, "pictor_config_ok")).to.equal(0);
        await rm(file("other.yaml"));
        await until(async () => (await names()).length === 1);
        expect((await readyOf(url)).reload).to.include({ ok: true });
        expect(await metric(url, "pictor_config_ok")).to.equal(1);
        expect(await metric(url, 'pictor_reloads_total{outcome="failed"}')).to.be.at.least(1);
        expect(await metric(url, 'pictor_reloads_total{outcome="ok"}')).to.be.at.least(2);
      },
      env,
    ));

  it("lets a channel in only if it passes its own tests, and tells the line of the one that fails", () =>
    whileServing(
      { "acme.yaml": tested(500) },
      async ({ url, reload }, folder) => {
        // What was there from the start is not asked again.
        expect(await reload()).to.include({ ok: true });
        await writeFile(join(folder, "channels", "other.yaml"), tested(500));
        const { ok, problems } = await reload();
        expect(ok).to.equal(false);
        expect(problems).to.have.length(1);
        expect(problems[0]).to.match(/other\.yaml:5:\d+: test "a picture comes back": the answer's status is 200, expected 500/);
        await writeFile(join(folder, "channels", "other.yaml"), tested(200));
        expect(await reload()).to.include({ ok: true });
        // What presets and schemas say, every channel rests on.
        await writeFile(join(folder, "channels", "models", "more.json"), '{ "type": "object" }');
        expect((await reload()).problems[0]).to.match(/acme\.yaml:5/);
        expect((await readyOf(url)).channels).to.have.length(2);
      },
      env,
    ));

  it("sees a whole folder swapped, as Kubernetes does it", () =>
    inFolder(async (_, folder) => {
      await channelsWith(folder, {});
      const channels = join(folder, "channels");
      const release = async (name: string, content: string) => {
        await mkdir(join(channels, name));
        await writeFile(join(channels, name, "acme.yaml"), content);
        await symlink(name, join(channels, "..data_tmp"));
        await rename(join(channels, "..data_tmp"), join(channels, "..data"));
      };
      await release("..1", acme);
      await symlink(join("..data", "acme.yaml"), join(channels, "acme.yaml"));
      const said = { PORT: "0", LOG_LEVEL: "silent", ...keys, PICTOR_DATA: folder, PICTOR_CHANNELS: channels, ...env };
      const serving = await serve(said, () => undefined);
      try {
        await release("..2", `${acme}enabled: false\n`);
        await until(async () => (await readyOf(serving.url)).channels[0]?.state === "off");
      } finally {
        await serving.close();
      }
    }));

  it("puts a good file in force beside a broken one, which keeps its last good version", () =>
    whileServing(
      { "acme.yaml": acme, "other.yaml": acme },
      async ({ url, reload }, folder) => {
        const write = (name: string, text: string) => writeFile(join(folder, "channels", name), text);
        await write("other.yaml", `${acme}modles: {}\n`);
        await write("acme.yaml", `${acme}enabled: false\n`);
        await write("third.yaml", `${acme}modles: {}\n`);
        expect(await reload()).to.include({ ok: false });
        const { reload: told, channels } = await readyOf(url);
        expect(told!.problems.map((line) => line.replace(/.*channels\//, "").replace(/ .*/, ""))).to.deep.equal([
          "other.yaml:4:1:",
          "third.yaml:4:1:",
        ]);
        expect(channels).to.deep.equal([
          { name: "acme", state: "off", reason: "switched off in its file" },
          { name: "other", state: "on", file: "broken" },
          { name: "third", state: "broken" },
        ]);
        expect(await metric(url, "pictor_channels_broken")).to.equal(2);
        // Without the operator's key the fact, and since when; neither files nor lines.
        const open = (await (await fetch(`${url}/readyz`)).json()) as Record<string, unknown>;
        expect(open).to.have.all.keys("status", "config", "since", "channels", "store");
        expect(open).to.include({ status: "ready", config: "degraded" });
        expect(JSON.stringify(open)).not.to.match(/yaml|modles/);
        await reload();
        expect(await (await fetch(`${url}/readyz`)).json()).to.include({ since: open.since });

        await write("other.yaml", acme);
        await rm(join(folder, "channels", "third.yaml"));
        expect(await reload()).to.include({ ok: true });
        expect(await (await fetch(`${url}/readyz`)).json()).to.include({ config: "ok" });
        expect(await metric(url, "pictor_channels_broken")).to.equal(0);
      },
      env,
    ));

  it("tests a channel that failed its own tests again, though its file is as it was", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ reload }, folder) => {
        await writeFile(join(folder, "channels", "other.yaml"), tested(500));
        for (let times = 0; times < 2; times += 1) expect((await reload()).problems[0]).to.match(/other\.yaml:5/);
      },
      env,
    ));

  it("keeps all of the old while gateway.yaml is broken", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ url, reload }, folder) => {
        await writeFile(join(folder, "gateway.yaml"), "kes: []\n");
        await writeFile(join(folder, "channels", "other.yaml"), acme);
        expect((await reload()).problems[0]).to.match(/gateway\.yaml:1:1: .*kes/);
        expect((await readyOf(url)).channels.map(({ name }) => name)).to.deep.equal(["acme"]);
      },
      env,
    ));

  it("keeps all of the old while the folder of channels cannot be read", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ url, reload }, folder) => {
        await rename(join(folder, "channels"), join(folder, "elsewhere"));
        expect((await reload()).problems[0]).to.match(/the folder of channels cannot be read/);
        expect((await readyOf(url)).channels.map(({ name }) => name)).to.deep.equal(["acme"]);
      },
      env,
    ));

  it("lifts every cool-down, and an edit those of the channel that was edited", async () => {
    const provider = createServer((_, response) => response.writeHead(503, { "retry-after": "600" }).end()).listen(0, "127.0.0.1");
    await once(provider, "listening");
    const ACME_URL = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
    const rest = async (url: string) => {
      const [, , status] = await Promise.all([0, 1, 2].map(() => draw(url)));
      return status;
    };
    const draw = async (url: string) => {
      const headers = { authorization: "Bearer sk-one" };
      const body = Buffer.from('{"model":"demo","prompt":"a cat"}');
      return (await fetch(`${url}/v1/images/generations`, { method: "POST", headers, body })).status;
    };
    try {
      await whileServing(
        { "acme.yaml": acme, "other.yaml": acme },
        async ({ url, reload }, folder) => {
          const resting = async () => (await readyOf(url)).channels.filter((channel) => "resting" in channel).map(({ name }) => name);
          await rest(url);
          await until(async () => (await resting()).length === 2);
          await writeFile(join(folder, "channels", "other.yaml"), `${acme}weight: 2\n`);
          await until(async () => (await resting()).join() === "acme");
          await reload();
          expect(await resting()).to.deep.equal([]);
        },
        { ACME_URL },
      );
    } finally {
      provider.closeAllConnections();
      provider.close();
    }
  });

  it("reads gateway.yaml anew, with the clients in it", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ url, reload }, folder) => {
        const status = async (key: string) => (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
        expect([await status("sk-one"), await status("sk-two")]).to.deep.equal([200, 401]);
        await writeFile(join(folder, "gateway.yaml"), "keys: [{ name: two, key: '${env.TWO_KEY}' }]\n");
        expect(await reload()).to.include({ ok: true });
        expect([await status("sk-one"), await status("sk-two")]).to.deep.equal([200, 200]);
        await writeFile(join(folder, "gateway.yaml"), "keys: [{ name: two, key: sk-two }]\nfallback: { dmo: [demo] }\n");
        const { problems } = await reload();
        expect(problems[0]).to.match(/gateway\.yaml:1:26: keys\.key: a key written out/);
        expect(await status("sk-two")).to.equal(200);
        await rm(join(folder, "gateway.yaml"));
        expect(await reload()).to.include({ ok: true });
        expect(await status("sk-two")).to.equal(401);
      },
      { ...env, TWO_KEY: "sk-two" },
    ));

  it("refuses a channel that would point at this gateway", () =>
    whileServing(
      { "acme.yaml": acme },
      async ({ url, reload }, folder) => {
        await writeFile(join(folder, "channels", "own.yaml"), acme.replace("${env.ACME_URL}", url));
        const { problems } = await reload();
        expect(problems).to.have.length(1);
        expect(problems[0]).to.match(/own\.yaml:2:11: base_url: it is this gateway's own address$/);
        expect((await readyOf(url)).channels).to.deep.equal([
          { name: "acme", state: "on" },
          { name: "own", state: "broken" },
        ]);
      },
      env,
    ));

  it("lets a request live and die with the table it began with", async () => {
    const asked: { path: string; answer: () => void }[] = [];
    const provider = createServer((request, response) => {
      void text(request).then(() =>
        asked.push({ path: String(request.url), answer: () => response.end('{"data":[{"url":"https://pictures.example/1.png"}]}') }),
      );
    });
    await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
    const ACME_URL = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
    const draw = (url: string) =>
      fetch(`${url}/v1/images/generations`, {
        method: "POST",
        headers: { authorization: "Bearer sk-one" },
        body: Buffer.from('{"model":"demo","prompt":"a cat"}'),
      });
    try {
      await whileServing(
        { "acme.yaml": acme },
        async ({ url, reload }, folder) => {
          const before = draw(url);
          await until(() => asked.length === 1);
          await writeFile(join(folder, "channels", "acme.yaml"), acme.replace("ACME_URL}", "ACME_URL}/v2"));
          expect(await reload()).to.include({ ok: true });
          const after = draw(url);
          await until(() => asked.length === 2);
          for (const { answer } of asked) answer();
          expect([(await before).status, (await after).status]).to.deep.equal([200, 200]);
          expect(asked.map(({ path }) => path)).to.deep.equal(["/images/generations", "/v2/images/generations"]);
        },
        { ACME_URL },
      );
    } finally {
      provider.closeAllConnections();
      provider.close();
    }
  });
});
