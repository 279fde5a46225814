// Tests of channels in files of their own.
import { expect } from "chai";
import { loadChannels } from "../../src/channels/load.ts";
import { ConfigError } from "../../src/errors.ts";
import { runChannelTests } from "../../src/testing/run.ts";
import { channelFolder, plugins } from "../helpers/channels.ts";

const channel = (tests = "") => `extends: openai-images
base_url: https://shop.example/v1
models: { dall-e-2: {} }
${tests}`;
const test = (name: string, status = 200) => `tests:
  - name: ${name}
    request: { model: dall-e-2, prompt: x }
    exchange: [{ expect: { post: /images/generations }, reply: { json: { data: [{ url: "\${base_url}/1" }] } } }]
    answer: { status: ${status} }
`;

describe("tests of a channel in a file of their own", () => {
  async function within<T>(files: Record<string, string>, work: (folder: string) => Promise<T>): Promise<T> {
    const { folder, remove } = await channelFolder(files);
    try {
      return await work(folder);
    } finally {
      await remove();
    }
  }
  const run = async (files: Record<string, string>) => within(files, async (folder) => runChannelTests(folder, plugins));
  const problemsOf = (files: Record<string, string>) =>
    run(files).then(
      () => expect.fail("they ran"),
      (error: unknown) =>
        (error as ConfigError).problems.map(({ file, line, message }) => `${file.split("/").slice(-2).join("/")}:${line}: ${message}`),
    );

  it("run behind those of the channel's file, each with its own file and line", async () => {
    const outcomes = await run({ "shop.yaml": channel(test("one")), "tests/shop.yaml": test("two", 201) });
    expect(outcomes.map(({ name, file, line }) => [name, file.split("/").slice(-2).join("/"), line])).to.deep.equal([
      ["one", outcomes[0]?.file.split("/").slice(-2).join("/"), 5],
      ["two", "tests/shop.yaml", 2],
    ]);
    expect(outcomes.map(({ failures }) => failures.length > 0)).to.deep.equal([false, true]);
  });

  it("are not read where the channel is only to be served", async () => {
    await within({ "shop.yaml": channel(), "tests/shop.yaml": "tests: [" }, async (folder) => {
      const { channels } = await loadChannels({ folder, plugins, env: {} });
      expect(channels.map(({ name }) => name)).to.deep.equal(["shop"]);
    });
  });

  it("are checked with file and line: other keys, models that are not there, a file without a channel", async () => {
    expect(await problemsOf({ "shop.yaml": channel(), "tests/shop.yaml": `${test("one")}more: 1\n` })).to.deep.equal([
      'tests/shop.yaml:6: channel: unknown key "more" (known: tests)',
    ]);
    expect(await problemsOf({ "shop.yaml": channel(), "tests/shop.yaml": test("one").replace("dall-e-2", "dall-e") })).to.deep.equal([
      "tests/shop.yaml:3: tests: dall-e is not a model of this channel (did you mean dall-e-2?)",
    ]);
    expect(await problemsOf({ "shop.yaml": channel(), "tests/shopp.yaml": test("one") })).to.deep.equal([
      "tests/shopp.yaml:1: there is no channel shopp for these tests (did you mean shop?)",
    ]);
  });
});
