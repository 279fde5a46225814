import { expect } from "chai";
import { rm } from "node:fs/promises";
import { check } from "../../src/cli/check.ts";
import { isEnding, isOver } from "../../src/channels/life.ts";
import { lifeOn } from "../../src/gateway/life.ts";
import { inProcess } from "../cli/commands.ts";
import { channel, load, makeFolder, problemsIn } from "./mistakes.ts";

const dated = (own: string) => channel.replace("  m:\n", `  m: ${own}\n`);
const retiring = dated("{ retires: 2026-12-01, instead: n }");
const at = (day: string) => Date.parse(day);

describe("the life of a model", () => {
  async function lifeIn(files: Record<string, string>, env: Record<string, string> = {}) {
    const { routes } = await load(files, { X_API_KEY: "k", ...env });
    return routes[0]!.life;
  }

  it("is what the file says", async () => {
    expect(await lifeIn({ "x.yaml": retiring })).to.deep.equal({
      deprecated: undefined,
      shutdown: "2026-12-01",
      instead: "n",
      kept: false,
    });
    expect(await lifeIn({ "x.yaml": dated("{ retired: 2026-05-12, enabled: true }") })).to.include({ shutdown: "2026-05-12", kept: true });
    expect(await lifeIn({ "x.yaml": dated("{ deprecated: 2026-10-06 }") })).to.include({ deprecated: "2026-10-06", shutdown: undefined });
    expect(await lifeIn({ "x.yaml": channel })).to.equal(undefined);
  });

  it("is nobody's at another address than the file's", async () => {
    expect(await lifeIn({ "x.yaml": retiring }, { X_BASE_URL: "https://relay.example/v1" })).to.equal(undefined);
    expect(await lifeIn({ "x.yaml": retiring }, { X_BASE_URL: "https://api.example.com/ " })).to.include({ shutdown: "2026-12-01" });
  });

  it("is the model's where the file itself takes the address from the environment", async () => {
    const file = { "x.yaml": retiring.replace("https://api.example.com", "${env.X_BASE_URL}") };
    expect(await lifeIn(file, { X_BASE_URL: "https://api.example.com" })).to.include({ shutdown: "2026-12-01" });
  });

  it("stands in a preset for as long as the channel keeps the preset's address", async () => {
    const preset = retiring.replace(/keys:.*\n/, "");
    const above = (more: string) => ({ "presets/p.yaml": preset, "x.yaml": `extends: p\nkeys: ["\${env.X_API_KEY}"]\n${more}` });
    expect(await lifeIn(above(""))).to.include({ shutdown: "2026-12-01" });
    expect(await lifeIn(above("base_url: https://other.example\n"))).to.equal(undefined);
    expect(await lifeIn(above("models: { m: { retires: 2027-01-01 } }\n"))).to.include({ shutdown: "2027-01-01" });
    expect(await lifeIn(above("models: { m: { retires: null, instead: null } }\n"))).to.equal(undefined);
  });

  for (const [own, line, column, message] of [
    ["{ retires: soon }", 4, 17, 'models.m.retires: "soon" is not a day; write 2026-12-01'],
    ["{ retires: 2026-02-30 }", 4, 17, 'models.m.retires: "2026-02-30" is not a day; write 2026-12-01'],
    ["{ retired: 20260512 }", 4, 17, "models.m.retired: must be text or empty, not 20260512"],
    ["{ deprecated: 2026-1-1 }", 4, 20, 'models.m.deprecated: "2026-1-1" is not a day; write 2026-12-01'],
    ["{ retires: 2026-12-01, retired: 2026-12-01 }", 4, 29, "models.m.retired: retires says when already; write one of them"],
    ["{ instead: n }", 4, 8, "models.m.instead: it takes the place of a model with a day; write retires"],
  ] as const) {
    it(`cannot be ${own}`, async () => {
      const folder = await makeFolder({ "x.yaml": dated(own) });
      try {
        expect((await problemsIn(folder)).map(({ line, column, message }) => [line, column, message])).to.deep.equal([
          [line, column, message],
        ]);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }

  it("ends as its last day begins, in UTC, unless the operator keeps the model on", () => {
    const life = { shutdown: "2026-12-01", kept: false };
    expect(isOver(life, at("2026-11-30T23:59:59Z"))).to.equal(false);
    expect(isOver(life, at("2026-12-01T00:00:00Z"))).to.equal(true);
    expect(isOver({ ...life, kept: true }, at("2027-01-01"))).to.equal(false);
    expect(isOver({ deprecated: "2020-01-01", kept: false }, at("2027-01-01"))).to.equal(false);
  });

  it("is told from 60 days before its end", () => {
    const life = { shutdown: "2026-12-01", kept: false };
    expect(isEnding(life, at("2026-10-01T23:59:59Z"))).to.equal(false);
    expect(isEnding(life, at("2026-10-02"))).to.equal(true);
    expect(isEnding(life, at("2026-12-01"))).to.equal(false);
    expect(isEnding({ ...life, kept: true }, at("2027-12-01"))).to.equal(true);
  });

  it("lasts on several channels as long as on the last of them", () => {
    const one = { life: { deprecated: "2026-06-01", shutdown: "2026-12-01", instead: "n", kept: false } };
    const two = { life: { shutdown: "2027-02-01", kept: false } };
    expect(lifeOn([one, two])).to.deep.equal({ deprecated: "2027-02-01", shutdown: "2027-02-01", instead: "n" });
    expect(lifeOn([one, {}])).to.deep.equal({ deprecated: undefined, shutdown: undefined, instead: "n" });
  });
});

describe("pictor check, of models that end", () => {
  let folder: string;
  before(async () => {
    folder = await makeFolder({ "x.yaml": retiring, "y.yaml": retiring.replace("X_API_KEY", "Y_KEY") });
  });
  after(() => rm(folder, { recursive: true }));
  const run = (day: string, { files = [] as string[], env = {}, json = false } = {}) =>
    inProcess((say) => check(files, { json, now: at(day) }, { PICTOR_CHANNELS: folder, ...env }, say));

  it("warns 60 days before, of channels that are on, and finds no problem in that", async () => {
    const { code, out } = await run("2026-11-01", { env: { X_API_KEY: "k" } });
    expect([code, out.replace(/^.*\//, "")]).to.deep.equal([
      0,
      "x.yaml:4:6: warning: m is shut down by its provider on 2026-12-01; use n\nwithout a price: x (m)\nno problems\n",
    ]);
    expect((await run("2026-09-01", { env: { X_API_KEY: "k" } })).out).to.equal("without a price: x (m)\nno problems\n");
    expect((await run("2026-12-01", { env: { X_API_KEY: "k" } })).out).to.equal("without a price: x (m)\nno problems\n");
  });

  it("warns of a channel that is off where it is named", async () => {
    expect((await run("2026-11-01")).out).to.equal("no problems\n");
    const { out } = await run("2026-11-01", { files: ["y"], json: true });
    const { warnings } = JSON.parse(out) as { warnings: { file: string; line: number; column: number; message: string }[] };
    expect(warnings.map(({ file, ...rest }) => ({ file: file.replace(/.*\//, ""), ...rest }))).to.deep.equal([
      { file: "y.yaml", line: 4, column: 6, message: "m is shut down by its provider on 2026-12-01; use n" },
    ]);
  });
});
