import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import aws4 from "aws4";
import { expect } from "chai";
import fc from "fast-check";
import jsonwebtoken from "jsonwebtoken";
import { ProviderFailure } from "../../../src/errors.ts";
import { createAuthorizer, type Key } from "../../../src/net/auth/authorizer.ts";
import type { AuthSpec, JwtSpec } from "../../../src/net/auth/spec.ts";
import { readBody, send, type OutgoingRequest } from "../../../src/net/send.ts";

const now = () => new Date("2026-01-02T03:04:05.678Z");
const noTokens = () => Promise.reject(new Error("no token is needed"));
const { signal } = new AbortController();
const plain: OutgoingRequest = { method: "GET", url: "https://example.com/a?b=c", headers: { Accept: "image/png" } };

function authorized(spec: AuthSpec, key: Key, request = plain): Promise<OutgoingRequest> {
  return createAuthorizer(spec, { now, fetchToken: noTokens })(request, key, signal);
}

async function failureOf(promise: Promise<unknown>): Promise<ProviderFailure> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ProviderFailure) return error;
  throw new Error(`no ProviderFailure but ${String(error)}`);
}

describe("an authorizer", () => {
  it("shows a key in a header", async () => {
    const headerOf = async (spec: AuthSpec, key: Key) => (await authorized(spec, key)).headers;
    expect(await headerOf("none", "k")).to.deep.equal({ accept: "image/png" });
    expect(await headerOf("bearer", "k")).to.deep.equal({ accept: "image/png", authorization: "Bearer k" });
    expect(await headerOf("basic", { user: "u", password: "p" })).to.include({ authorization: "Basic dTpw" });
    expect(await headerOf({ header: "X-Key" }, "k")).to.include({ "x-key": "k" });
    expect(await headerOf({ header: "Authorization", scheme: "Key" }, "k")).to.include({ authorization: "Key k" });
  });

  it("shows a key in the query", async () => {
    expect((await authorized({ query: "key" }, "k&k")).url).to.equal("https://example.com/a?b=c&key=k%26k");
  });

  it("shows a key in a JSON body, wherever the path leads", async () => {
    const bodyOf = async (path: string, value: unknown, type = "application/json; charset=utf-8") => {
      const body = Buffer.from(JSON.stringify(value));
      const request = { ...plain, headers: { "Content-Type": type }, body };
      return JSON.parse(((await authorized({ body: path }, "k", request)).body as Buffer).toString()) as unknown;
    };
    expect(await bodyOf("apiKey", { a: 1 })).to.deep.equal({ a: 1, apiKey: "k" });
    expect(await bodyOf("auth.key", { a: 1 })).to.deep.equal({ a: 1, auth: { key: "k" } });
    expect(await bodyOf("auth.key", { auth: { id: 1, key: "old" } })).to.deep.equal({ auth: { id: 1, key: "k" } });
    expect(await bodyOf("0.key", [{ a: 1 }, { b: 2 }])).to.deep.equal([{ a: 1, key: "k" }, { b: 2 }]);
    expect(await bodyOf("a", { b: 1 }, "text/plain")).to.deep.equal({ b: 1 });
    expect(await authorized({ body: "a" }, "k")).to.deep.equal({ ...plain, headers: { accept: "image/png" } });
    expect((await authorized({ body: "a" }, "k", { ...plain, body: Buffer.from("{}") })).body).to.deep.equal(Buffer.from("{}"));
  });

  it("refuses a key without the parts, and tells none of it", async () => {
    for (const spec of [{ sigv4: { service: "s", region: "r" } }, { oauth2: { token_url: "https://example.com" } }] as const) {
      const failure = await failureOf(authorized(spec, "very-secret"));
      expect(failure).to.include({ kind: "auth" });
      expect(failure.details.notAccepted).to.equal(true);
      expect(failure.message).to.include("id|secret").and.not.include("very-secret");
    }
  });

  it("signs now when no clock is given", async () => {
    const authorize = createAuthorizer({ tc3: { service: "aiart" } }, { fetchToken: noTokens });
    const signed = await authorize(plain, "AK|SK", signal);
    expect(Math.abs(Number(signed.headers["x-tc-timestamp"]) - Date.now() / 1000)).to.be.lessThan(5);
  });

  it("signs with the parts of the key", async () => {
    const volcengine = await authorized({ volcengine: { service: "cv", region: "cn-north-1" } }, { id: "AK", secret: "SK", token: "T" });
    expect(volcengine.headers.authorization).to.match(
      /^HMAC-SHA256 Credential=AK\/20260102\/cn-north-1\/cv\/request, SignedHeaders=host;x-content-sha256;x-date;x-security-token, /,
    );
    expect(volcengine.headers["x-security-token"]).to.equal("T");
  });

  it("signs the very bytes that are sent", async () => {
    const server = http.createServer((request, response) => {
      void buffer(request).then((body) => {
        const headers = request.headers as Record<string, string>;
        const theirs = {
          service: "bedrock",
          region: "us-east-1",
          method: request.method,
          path: request.url,
          headers: Object.fromEntries(["host", "content-type", "x-amz-date"].map((name) => [name, headers[name]])),
          body,
          extraHeadersToIgnore: { "content-length": true },
        };
        aws4.sign(theirs, { accessKeyId: "AK", secretAccessKey: "SK" });
        const { Authorization: expected } = theirs.headers as Record<string, string>;
        response.end(expected === headers.authorization ? "the same" : `${expected} is not ${headers.authorization}`);
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const request: OutgoingRequest = {
        method: "POST",
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model/a%3A0/it's?b=%20+x&a='!*&b=1`,
        headers: { "Content-Type": "application/json;  charset=utf-8", accept: "application/json" },
        body: Buffer.from('{"prompt":"ein Kätzchen"}'),
      };
      const signed = await authorized({ sigv4: { service: "bedrock", region: "us-east-1" } }, "AK|SK", request);
      const answer = await send(signed, signal);
      expect(String(await readBody(answer, 10_000, signal))).to.equal("the same");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe("a JWT of our own", () => {
  const tokenOf = async (jwt: JwtSpec, key: Key) => (await authorized({ jwt }, key)).headers.authorization;
  const rsa = (bits: number) =>
    generateKeyPairSync("rsa", {
      modulusLength: bits,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });

  it("is the vector with times in seconds", async () => {
    const claims = { iss: "${key.id}", exp: "${now + 1800}", nbf: "${now - 5}" };
    expect(await tokenOf({ algorithm: "HS256", claims }, "AKexample|SKexample")).to.equal(
      "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBS2V4YW1wbGUiLCJleHAiOjE3NjczMjQ4NDUsIm5iZiI6MTc2NzMyMzA0MH0." +
        "uZVHwiIMTzvt1EwS1ggGDXDmdz-jw3ZZhaGnU5pgzf8",
    );
  });

  it("is the vector with times in milliseconds and a header of its own", async () => {
    const jwt: JwtSpec = {
      algorithm: "HS256",
      header: { sign_type: "SIGN" },
      unit: "milliseconds",
      claims: { api_key: "${key.id}", exp: "${now + 1800000}", timestamp: "${now}" },
      scheme: "",
    };
    const authorize = createAuthorizer({ jwt }, { now: () => new Date(1767323045000), fetchToken: noTokens });
    const signed = await authorize(plain, { id: "idpart", secret: "secretpart" }, signal);
    expect(signed.headers.authorization).to.equal(
      "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ.eyJhcGlfa2V5IjoiaWRwYXJ0IiwiZXhwIjoxNzY3MzI0ODQ1MDAwLCJ0aW1lc3RhbXAiOjE3NjczMjMwNDUwMDB9." +
        "1n4dOnpUeBFUocg1Uc0KGtvlooGSwA5padYf2_kI380",
    );
  });

  it("is jsonwebtoken's, whatever the claims and the key", async () => {
    const claims = fc.dictionary(fc.stringMatching(/^c_[a-z]{1,6}$/), fc.oneof(fc.stringMatching(/^[^$]*$/), fc.integer(), fc.boolean()));
    const secrets = fc.stringMatching(/^[\w+/=]{1,60}$/);
    await fc.assert(
      fc.asyncProperty(claims, secrets, async (own, secret) => {
        const theirs = jsonwebtoken.sign({ ...own, iat: 1767323045 }, secret);
        expect(await tokenOf({ algorithm: "HS256", claims: { ...own, iat: "${now}" } }, { secret })).to.equal(`Bearer ${theirs}`);
      }),
      { numRuns: 60 },
    );
  });

  it("is signed with a private key, also one whose line ends are written out", async () => {
    const { privateKey, publicKey } = rsa(2048);
    const jwt: JwtSpec = { algorithm: "RS256", claims: { iss: "${key.id}", iat: "${now}" } };
    const theirs = jsonwebtoken.sign({ iss: "me", iat: 1767323045 }, privateKey, { algorithm: "RS256" });
    expect(await tokenOf(jwt, { id: "me", private_key: privateKey })).to.equal(`Bearer ${theirs}`);
    expect(await tokenOf(jwt, `me|${privateKey.replaceAll("\n", "\\n")}`)).to.equal(`Bearer ${theirs}`);
    expect(jsonwebtoken.verify(theirs, publicKey, { clockTimestamp: 1767323045 })).to.include({ iss: "me" });
  });

  it("needs a key that can sign, and tells nothing of the one it has", async () => {
    const jwt: JwtSpec = { algorithm: "RS256", claims: {} };
    const weak = rsa(1024).privateKey;
    for (const [key, sentence] of [
      ["not a key", "the private_key is not a key in PEM form, -----BEGIN PRIVATE KEY-----"],
      [weak, "the private_key is not an RSA key of at least 2048 bits"],
    ] as const) {
      const failure = await failureOf(tokenOf(jwt, key));
      expect(failure).to.include({ kind: "auth", message: sentence });
      expect(failure.details).to.deep.equal({ status: undefined, notAccepted: true });
    }
  });
});
