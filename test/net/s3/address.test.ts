import { expect } from "chai";
import { readS3Address } from "../../../src/net/s3/address.ts";
import { createS3Client } from "../../../src/net/s3/client.ts";

const env = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "hush-hush" };
const read = (text: string, own: Record<string, string> = env) => readS3Address(text, own);

describe("the address of a store in S3", () => {
  it("names the bucket and how it is reached", () => {
    const usual = {
      bucket: "b-1.x",
      prefix: "",
      region: "us-east-1",
      endpoint: "https://s3.example.com",
      pathStyle: true,
      redirect: false,
    };
    const credentials = { id: "id", secret: "hush-hush" };
    const variables = { id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN" };
    expect(read("s3://b-1.x?endpoint=https://s3.example.com")).to.deep.equal({ ...usual, credentials, variables });
    expect(read("s3://b-1.x/?endpoint=https://s3.example.com/")).to.deep.equal({ ...usual, credentials, variables });
    const all = "s3://b-1.x/some/where/?endpoint=http://127.0.0.1:9000&region=eu-1&path_style=off&redirect=on";
    expect(read(all, { ...env, AWS_SESSION_TOKEN: "t" })).to.deep.equal({
      ...{ ...usual, prefix: "some/where/", region: "eu-1", endpoint: "http://127.0.0.1:9000", pathStyle: false, redirect: true },
      credentials: { ...credentials, token: "t" },
      variables,
    });
  });

  it("takes a key of its own before the usual one", () => {
    const own = { PICTOR_STORE_KEY_ID: "own", PICTOR_STORE_SECRET: "hush" };
    expect(read("s3://bucket?endpoint=https://x", { ...env, AWS_SESSION_TOKEN: "t", ...own })).to.deep.include({
      credentials: { id: "own", secret: "hush" },
      variables: { id: "PICTOR_STORE_KEY_ID", secret: "PICTOR_STORE_SECRET" },
    });
    for (const half of Object.entries(own))
      expect(() => read("s3://bucket?endpoint=https://x", { ...env, ...Object.fromEntries([half]) })).to.throw(/needs PICTOR_STORE_KEY_ID/);
  });

  it("has the bucket in its host where it is not in the path", () => {
    const client = createS3Client(read("s3://bucket/p?endpoint=https://s3.example.com&path_style=off"));
    const url = new URL(client.presign("key", 60));
    expect([url.origin, url.pathname, url.searchParams.has("X-Amz-Security-Token")]).to.deep.equal([
      "https://bucket.s3.example.com",
      "/p/key",
      false,
    ]);
  });

  for (const [text, words] of [
    ["https://b?endpoint=https://s3.example.com", /must be an address with the bucket's name/],
    ["nonsense", /must be an address/],
    ["s3://user@bucket?endpoint=https://s3.example.com", /must be an address/],
    ["s3://bucket", /needs endpoint/],
    ["s3://bucket?endpoint=ftp://x", /needs endpoint/],
    ["s3://bucket?endpoint=https://x/path", /needs endpoint/],
    ["s3://bucket/a%20b?endpoint=https://x", /prefix of other than/],
    ["s3://bucket/a//b?endpoint=https://x", /prefix of other than/],
    ["s3://bucket?endpoint=https://x&regoin=y", /has regoin; it takes endpoint, region/],
    ["s3://bucket?endpoint=https://x&redirect=maybe", /has redirect=maybe; it is on or off/],
  ] as const)
    it(`is not ${text}`, () => expect(() => read(text)).to.throw(words));

  it("goes with a key", () =>
    expect(() => read("s3://bucket?endpoint=https://x", { AWS_ACCESS_KEY_ID: "id" })).to.throw(
      "needs PICTOR_STORE_KEY_ID and PICTOR_STORE_SECRET, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ));
});
