// The address of a channel: what is refused of it, and where its query goes.
import { expect } from "chai";
import { rm } from "node:fs/promises";
import { explain } from "../../src/cli/explain.ts";
import { inProcess } from "../cli/commands.ts";
import { channel, eachIsTold, load, makeFolder } from "./mistakes.ts";

const url = "https://api.example.com";
const at = "channels/x.yaml:1:11: base_url: ";
const pasted = (end: string) => `${at}ends in ${end}, which a call puts behind it; write only what stands before that`;

describe("a base URL that would send requests elsewhere", () => {
  eachIsTold(
    (
      [
        [
          "a user name and a password in it",
          "https://me:secret@a.b/v1",
          `${at}holds a user name or a password; take it out, a key belongs in keys`,
        ],
        [
          "a fragment in it",
          '"https://a.b/v1#top"',
          `${at.replace("11", "12")}has a fragment, which is never sent; take out # and what stands behind it`,
        ],
        [
          "a key in its query",
          "https://a.b/v1?api_key=abc",
          `${at}holds a key in its query; take it out, name it in keys and write auth: { query: api_key }`,
        ],
        ["an endpoint of OpenAI's pasted whole", "https://a.b/v1/images/generations/", pasted("/images/generations")],
        ["the endpoint of edits pasted whole, with a query", "https://a.b/v1/images/edits?x=1", pasted("/images/edits")],
        ["the path of the channel's own call at its end", "https://a.b/v1/images", pasted("/images")],
        ["white space inside it", "https://a.b/v 1", `${at}not an address; write https://host/path`],
      ] as const
    ).map(([name, to, expected]) => ({ name, change: [url, to] as [string, string], expected: [expected] })),
  );
  eachIsTold([
    {
      name: "a pasted endpoint in the variable that stands in for it, which is named and not shown",
      change: [url, "https://a.b"],
      env: { X_BASE_URL: "https://private.example.com/v1/images/generations" },
      expected: [pasted("/images/generations").replace("base_url", "X_BASE_URL")],
    },
    {
      name: "quotes around the variable that stands in for it",
      change: [url, "https://a.b"],
      env: { X_BASE_URL: '"https://a.b"' },
      expected: [`${at.replace("base_url", "X_BASE_URL")}it stands in quotes, which would be sent with it; take them out where it is set`],
    },
  ]);
});

describe("a base URL", () => {
  it("loses the white space around it, seen or not, in the file and in the environment", async () => {
    for (const [text, env] of [
      [channel.replace(url, `"\\u200b${url}/v1 \\n"`), {}],
      [channel, { X_BASE_URL: `\ufeff${url}/v1\r\n` }],
      [channel.replace(url, "${env.ADDRESS}"), { ADDRESS: `${url}/v1\u00a0` }],
    ] as const)
      expect((await load({ "x.yaml": text }, env)).channels[0]?.baseUrl).to.equal(`${url}/v1`);
  });

  for (const [path, sent] of [
    ["/images", "https://a.b/v1/images?api-version=2024-10-21"],
    ["/images?api-version=1", "https://a.b/v1/images?api-version=1"],
    ["${base_url}/images", "https://a.b/v1/images?api-version=2024-10-21"],
    ["https://other.c/images", "https://other.c/images"],
  ])
    it(`has its query behind the path of a call: ${path}`, async () => {
      const text = channel.replace(url, "https://a.b/v1/?api-version=2024-10-21").replace("post: /images", `post: "${path}"`);
      const folder = await makeFolder({ "x.yaml": text });
      try {
        const { out } = await inProcess((say) => explain("m", {}, { json: true }, { env: { PICTOR_CHANNELS: folder }, say }));
        const { channels } = JSON.parse(out) as { channels: { requests: { url: string }[] }[] };
        expect(channels[0]?.requests.map((request) => request.url)).to.deep.equal([sent]);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
});
