import { expect } from "chai";
import { ConfigError } from "../../src/errors.ts";
import { createReloadable, type Reload } from "../../src/gateway/reload.ts";

/** Something that is built by hand: each build waits until the test ends it. */
function made() {
  const builds: { before: string; end: (result: string | Error) => void }[] = [];
  const told: Reload[] = [];
  const reloadable = createReloadable(
    "first",
    (before) =>
      new Promise<string>((resolve, reject) => {
        builds.push({ before, end: (result) => (typeof result === "string" ? resolve(result) : reject(result)) });
      }),
    (reload) => told.push(reload),
  );
  return { builds, told, ...reloadable };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a reload", () => {
  it("puts what it built in force, and nothing before it is whole", async () => {
    const { builds, told, current, last, reload } = made();
    expect(last()).to.equal(undefined);
    const reloading = reload();
    await turn();
    expect([current(), builds[0]!.before]).to.deep.equal(["first", "first"]);
    builds[0]!.end("second");
    const outcome = await reloading;
    expect(outcome).to.deep.include({ ok: true, problems: [] });
    expect([current(), last(), told]).to.deep.equal(["second", outcome, [outcome]]);
  });

  it("keeps what is there where something is wrong, and says what and where", async () => {
    const { builds, current, last, reload } = made();
    for (const [error, problems] of [
      [
        new ConfigError([{ file: "channels/a.yaml", line: 3, column: 5, message: "unknown key", frame: "| secret" }]),
        ["channels/a.yaml:3:5: unknown key"],
      ],
      [new Error("channel a: its base_url is this gateway's own address"), ["channel a: its base_url is this gateway's own address"]],
    ] as const) {
      const reloading = reload();
      await turn();
      builds.at(-1)!.end(error);
      expect(await reloading).to.deep.include({ ok: false, problems });
      expect(last()).to.deep.include({ ok: false, problems });
      expect(current()).to.equal("first");
    }
    const mended = reload();
    await turn();
    builds.at(-1)!.end("second");
    expect(await mended).to.include({ ok: true });
    expect(current()).to.equal("second");
  });

  it("follows the one before it, and is shared by all who ask meanwhile", async () => {
    const { builds, current, reload } = made();
    const first = reload();
    await turn();
    const [second, third] = [reload(), reload()];
    expect(third).to.equal(second);
    await turn();
    expect(builds).to.have.length(1);
    builds[0]!.end("a");
    await first;
    await turn();
    expect(builds.map(({ before }) => before)).to.deep.equal(["first", "a"]);
    builds[1]!.end("b");
    await second;
    expect(current()).to.equal("b");
    expect(builds).to.have.length(2);
  });
});
