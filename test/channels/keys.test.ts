// Keys and secrets as they come from the environment and from files: what is trimmed, and what is told.
import { expect } from "chai";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channel, eachIsTold, lineOf, load, makeFolder, problemsIn } from "./mistakes.ts";

const key = '"${env.X_API_KEY}"';
const quotes = "it stands in quotes, which would be sent with it; take them out where it is set";
const at = "channels/x.yaml:2:9: keys: ";

describe("a key that could not be sent as it is set", () => {
  const parts = `{ id: "\${env.ID}", secret: "\${env.S}" }`;
  const signed = `[${parts}]\nauth: { sigv4: { service: s, region: r } }`;
  eachIsTold([
    { name: "it stands in double quotes", change: ["m:", "m:"], env: { X_API_KEY: '"sk-abc"' }, expected: [at + `X_API_KEY: ${quotes}`] },
    { name: "it stands in single quotes", change: ["m:", "m:"], env: { X_API_KEY: "'sk-abc'" }, expected: [at + `X_API_KEY: ${quotes}`] },
    {
      name: "it stands in a word processor's quotes",
      change: [key, '"${env.OTHER}"'],
      env: { X_API_KEY: "“sk-abc”" },
      expected: ["channels/x.yaml:2:7: keys: X_API_KEY: " + quotes],
    },
    {
      name: "it has a line break inside",
      change: ["m:", "m:"],
      env: { X_API_KEY: "sk-abc\ndef" },
      expected: [at + "X_API_KEY: character 7 cannot be sent; set it anew without that"],
    },
    {
      name: "it has a zero-width space inside",
      change: [key, '"${env.A}", "${env.B}"'],
      env: { A: "sk-abc", B: "s\u200bk" },
      expected: ["channels/x.yaml:2:21: keys: B: character 2 cannot be sent; set it anew without that"],
    },
    {
      name: "it has a letter outside ASCII, for a header of its own",
      change: [`[${key}]`, `[${key}]\nauth: { header: x-key }`],
      env: { X_API_KEY: "kéy" },
      expected: [at + "X_API_KEY: character 2 cannot be sent; set it anew without that"],
    },
    {
      name: "a part of it goes into a signed header",
      change: [`[${key}]`, signed],
      env: { ID: "i\u00a0d", S: "s" },
      expected: ["channels/x.yaml:2:8: keys: ID, S: character 2 of its id cannot be sent; set it anew without that"],
    },
  ]);

  eachIsTold([
    {
      name: "its header has a name that is none",
      change: [`[${key}]`, `[${key}]\nauth: { header: "x key" }`],
      expected: [`channels/x.yaml:3:18: auth.header: "x key" is not a header's name, such as x-key`],
    },
    {
      name: "the word before it is one that no header holds",
      change: [`[${key}]`, `[${key}]\nauth: { header: x-key, scheme: "Schlüssel" }`],
      expected: [`channels/x.yaml:3:33: auth.scheme: "Schlüssel" is not a word in ASCII, such as Key`],
    },
    {
      name: "the token is asked for at no address, once the environment has filled it in",
      change: [`[${key}]`, `[${key}]\nauth: { oauth2: { token_url: "\${env.TOKENS}" } }`],
      env: { X_API_KEY: "id|secret", TOKENS: "tokens.example.com" },
      expected: ["channels/x.yaml:3:31: auth.oauth2.token_url: not an address; write https://host/path"],
    },
  ]);

  it("names the secret's file, and shows nothing of it", async () => {
    const folder = await makeFolder({});
    try {
      const file = join(folder, "secret");
      await writeFile(file, "'sk-abcdef'\n");
      await writeFile(join(folder, "x.yaml"), channel.replace(key, `'\${file("${file}")}'`));
      const told = (await problemsIn(folder)).map(lineOf);
      expect(told).to.deep.equal([`channels/x.yaml:2:9: keys: channels/secret: ${quotes}`]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("a key", () => {
  const keysOf = async (text: string, env: Record<string, string>) => (await load({ "x.yaml": text }, env)).channels[0]?.keys;

  for (const [name, around] of [
    ["a line break", "\n"],
    ["a Windows line break", "\r\n"],
    ["a no-break space", "\u00a0"],
    ["a zero-width space", "\u200b"],
    ["a byte order mark", "\ufeff"],
    ["a mark of direction", "\u200e"],
  ])
    it(`loses ${name} around it`, async () => {
      const env = { X_API_KEY: `${around}sk-abc${around}` };
      expect(await keysOf(channel, env)).to.deep.equal(["sk-abc"]);
      expect(await keysOf(channel.replace(key, '"${env.OTHER}"'), env)).to.deep.equal(["sk-abc"]);
    });

  it("is not set where its variable holds nothing that is seen", async () => {
    const { channels } = await load({ "x.yaml": channel }, { X_API_KEY: " \u200b\n" });
    expect(channels[0]?.off).to.equal("X_API_KEY is not set");
  });

  it("may have a password's letters where it is sent as Basic, or escaped", async () => {
    for (const auth of ["basic", "{ query: key }", "{ body: key }"])
      expect(await keysOf(channel.replace("models:", `auth: ${auth}\nmodels:`), { X_API_KEY: "me:geheimß" })).to.deep.equal(["me:geheimß"]);
  });
});
