import { createHash } from "node:crypto";
import sha256 from "@aws-crypto/sha256-js";
import { HttpRequest } from "@smithy/protocol-http";
import { SignatureV4 } from "@smithy/signature-v4";
import volcengine from "@volcengine/openapi/lib/base/sign.js";
import aws4 from "aws4";
import { expect } from "chai";
import fc from "fast-check";
import tencent from "tencentcloud-sdk-nodejs-common/tencentcloud/common/sign.js";
import { signSigV4, signTc3, signVolcengine } from "../../../src/net/auth/signature.ts";
import type { OutgoingRequest } from "../../../src/net/send.ts";

const now = new Date("2026-01-02T03:04:05.678Z");
const runs = { numRuns: 150 };

const credentials = fc.record(
  { id: fc.stringMatching(/^[A-Z0-9]{4,20}$/), secret: fc.stringMatching(/^[\w+/=]{8,40}$/), token: fc.stringMatching(/^[\w+/=]{8,60}$/) },
  { requiredKeys: ["id", "secret"] },
);
const scope = fc.record({
  service: fc.constantFrom("bedrock", "execute-api", "cv", "s3"),
  region: fc.constantFrom("us-east-1", "cn-north-1"),
});
const word = fc.string({ minLength: 1, maxLength: 8 });
const plainWord = fc.stringMatching(/^[a-z][\w.~-]{0,7}$/);
const path = (piece: fc.Arbitrary<string>) =>
  fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.map((one) => `/${encodeURI(one).replace(/[?#]/g, "")}`).join(""));
const queryOf = (name: fc.Arbitrary<string>) => fc.array(fc.tuple(name, fc.string({ maxLength: 8 })), { maxLength: 6 });
const body = fc.option(
  fc.string({ minLength: 1, maxLength: 50, unit: "grapheme" }).map((text) => Buffer.from(text)),
  { nil: undefined },
);
const spaced = fc.stringMatching(/^ {0,2}[a-z0-9;=/"-]{1,8}( {1,3}[a-z0-9;=/"-]{1,8}){0,2} {0,2}$/);
const headers = fc
  .record({
    type: fc.option(spaced, { nil: undefined }),
    own: fc.dictionary(fc.stringMatching(/^x-amz-meta-[a-z]{1,5}$/), spaced, { maxKeys: 3 }),
    others: fc.dictionary(fc.stringMatching(/^y-[a-z]{1,5}$/), spaced, { maxKeys: 3 }),
  })
  .map(({ type, own, others }) => ({ ...(type && { "content-type": type }), ...own, ...others }));

function requestOf(url: string, query: [string, string][], more: Partial<OutgoingRequest>): OutgoingRequest {
  const address = new URL(url);
  for (const [name, value] of query) address.searchParams.append(name, value);
  return { method: "POST", url: address.href, headers: {}, ...more };
}

/** Names with one value, or with all of theirs. */
function grouped(url: string): Record<string, string | string[]> {
  const { searchParams } = new URL(url);
  return Object.fromEntries([...new Set(searchParams.keys())].map((name) => [name, searchParams.getAll(name)]));
}

/** The library signs whatever it is given; we leave alone what stands between us and the provider may change. */
function unsigned(request: OutgoingRequest): string[] {
  return Object.keys(request.headers).filter((name) => name !== "content-type" && !name.startsWith("x-amz-"));
}

async function smithy(
  request: OutgoingRequest,
  where: { service: string; region: string },
  pair: { id: string; secret: string; token?: string },
) {
  const url = new URL(request.url);
  const signer = new SignatureV4({
    ...where,
    credentials: { accessKeyId: pair.id, secretAccessKey: pair.secret, sessionToken: pair.token },
    sha256: sha256.Sha256,
    uriEscapePath: where.service !== "s3",
    applyChecksum: where.service === "s3",
  });
  const signed = await signer.sign(
    new HttpRequest({
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: grouped(request.url),
      headers: { host: url.host, ...request.headers },
      body: request.body,
    }),
    { signingDate: now, unsignableHeaders: new Set(unsigned(request)) },
  );
  return signed.headers.authorization;
}

describe("signatures", () => {
  describe("sigv4", () => {
    it("is @smithy/signature-v4's, whatever the path, query, headers and body", async () => {
      const addresses = fc.tuple(path(word), queryOf(word)).map(([where, query]) => ({ where, query }));
      await fc.assert(
        fc.asyncProperty(addresses, headers, body, credentials, scope, async ({ where, query }, sent, bytes, pair, place) => {
          // The library sends that service's path as it is, which is wrong for characters that a URL leaves alone.
          fc.pre(place.service !== "s3" || /^[\w.~%/-]*$/.test(new URL(`https://example.com${where}`).pathname));
          const request = requestOf(`https://model.us-east-1.amazonaws.com${where}`, query, { headers: sent, body: bytes });
          expect((await signSigV4(request, place, pair, now)).headers.authorization).to.equal(await smithy(request, place, pair));
        }),
        runs,
      );
    });

    it("is aws4's, whatever the path, query, headers and body", async () => {
      const safe = fc.stringMatching(/^[\w.~ !'()*:@é-]{1,8}$/).filter((piece) => !/^\.+$/.test(piece));
      const names = queryOf(word.filter((name) => name !== "__proto__"));
      await fc.assert(
        fc.asyncProperty(path(safe), names, headers, body, credentials, scope, async (where, query, sent, bytes, pair, place) => {
          const unique = [...new Map(query)];
          const request = requestOf(`https://model.us-east-1.amazonaws.com${where}`, unique, {
            headers: { "content-type": "application/json", ...sent },
            body: bytes,
          });
          const url = new URL(request.url);
          const theirs = {
            ...place,
            method: "POST",
            host: url.host,
            path: url.pathname + url.search,
            headers: { ...request.headers, "X-Amz-Date": "20260102T030405Z" } as Record<string, string>,
            body: bytes,
            extraHeadersToIgnore: Object.fromEntries(["content-length", ...unsigned(request)].map((name) => [name, true])),
          };
          aws4.sign(theirs, { accessKeyId: pair.id, secretAccessKey: pair.secret, sessionToken: pair.token });
          const ours = await signSigV4(request, place, pair, now);
          expect(ours.headers.authorization).to.equal(theirs.headers.Authorization);
        }),
        runs,
      );
    });

    it("encodes a model's path twice, sorts the query, and sends the session's token", async () => {
      const request: OutgoingRequest = {
        method: "POST",
        url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-canvas-v1%3A0/invoke?b=2&a-b=1&a=z&a=y+z",
        headers: { "content-type": " application/json;  charset=utf-8 ", accept: "application/json" },
        body: Buffer.from('{"taskType":"TEXT_IMAGE"}'),
      };
      const place = { service: "bedrock", region: "us-east-1" };
      const pair = { id: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI", token: "session" };
      const signed = await signSigV4(request, place, pair, now);
      expect(signed.url).to.match(/\/model\/amazon\.nova-canvas-v1%3A0\/invoke\?a=y%20z&a=z&a-b=1&b=2$/);
      expect(signed.body).to.equal(request.body);
      expect(signed.headers).to.include({
        accept: "application/json",
        "content-type": "application/json; charset=utf-8",
        host: "bedrock-runtime.us-east-1.amazonaws.com",
        "x-amz-date": "20260102T030405Z",
        "x-amz-security-token": "session",
      });
      expect(signed.headers.authorization).to.equal(await smithy(request, place, pair));
      expect(signed.headers.authorization).to.include("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, ");
    });
  });

  describe("volcengine", () => {
    const request = requestOf("https://visual.volcengineapi.com/?Version=2022-08-31&Action=CVSync2AsyncSubmitTask", [], {
      headers: { "content-type": "application/json" },
      body: Buffer.from('{"req_key":"jimeng_t2i_v40","prompt":"a cat","force_single":true}'),
    });

    it("is the vector's", async () => {
      const pair = { id: "AKLTexampleaccesskeyid", secret: "exampleSecretAccessKey==" };
      const signed = await signVolcengine(request, { service: "cv", region: "cn-north-1" }, pair, now);
      expect(signed.headers).to.deep.include({
        "content-type": "application/json",
        "x-date": "20260102T030405Z",
        "x-content-sha256": "c12ae042ade8e8a9bfa5078a82c658236c56347f8daaadd505c7aa8667e6d5c4",
        authorization:
          "HMAC-SHA256 Credential=AKLTexampleaccesskeyid/20260102/cn-north-1/cv/request, SignedHeaders=host;x-content-sha256;x-date, " +
          "Signature=7d1c0717ae52d68d8d65de27bc110d23dc2966b0d09d07f945ee417a6b111429",
      });
    });

    it("is @volcengine/openapi's, whatever the path, query and body", async () => {
      // The library sorts names before it escapes them: the order is the same for names that need no escape.
      await fc.assert(
        fc.asyncProperty(path(word), queryOf(plainWord), body, credentials, scope, async (where, query, bytes, pair, place) => {
          const sent = requestOf(`https://visual.volcengineapi.com${where}`, query, { body: bytes });
          const url = new URL(sent.url);
          const bodySha256 = createHash("sha256")
            .update(bytes ?? "")
            .digest("hex");
          const theirs = {
            method: "POST",
            region: place.region,
            pathname: url.pathname,
            params: grouped(sent.url),
            headers: { Host: url.host, "X-Content-Sha256": bodySha256 } as Record<string, string>,
          };
          new volcengine.default(theirs, place.service).addAuthorization(
            { accessKeyId: pair.id, secretKey: pair.secret, sessionToken: pair.token ?? "" },
            now,
          );
          expect((await signVolcengine(sent, place, pair, now)).headers.authorization).to.equal(theirs.headers.Authorization);
        }),
        runs,
      );
    });
  });

  describe("tc3", () => {
    const url = "https://aiart.tencentcloudapi.com/";

    it("is the vector's", async () => {
      const request = requestOf(url, [], {
        headers: { "content-type": "application/json; charset=utf-8", "x-tc-action": "SubmitTextToImageJob" },
        body: Buffer.from('{"Prompt":"a cat","Resolution":"1024:1024","LogoAdd":0}'),
      });
      const signed = await signTc3(request, { service: "aiart" }, { id: "AKIDEXAMPLE", secret: "EXAMPLESECRETKEY", token: "session" }, now);
      expect(signed.headers).to.deep.equal({
        "content-type": "application/json; charset=utf-8",
        host: "aiart.tencentcloudapi.com",
        "x-tc-action": "SubmitTextToImageJob",
        "x-tc-timestamp": "1767323045",
        "x-tc-token": "session",
        authorization:
          "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2026-01-02/aiart/tc3_request, SignedHeaders=content-type;host, " +
          "Signature=6baf6164a579afb62ca36d2aaa83921a9a0bea0d2889efeb0484018d81ab0e79",
      });
    });

    it("is tencentcloud-sdk-nodejs-common's over what is sent, whatever the method, query, type and body", async () => {
      const methods = fc.constantFrom("GET" as const, "POST" as const);
      await fc.assert(
        fc.asyncProperty(methods, queryOf(word), headers, body, credentials, async (method, query, given, bytes, pair) => {
          const sent = await signTc3(requestOf(url, query, { method, headers: given, body: bytes }), { service: "aiart" }, pair, now);
          const theirs = tencent.default.sign3({
            method,
            url: sent.url,
            payload: bytes,
            timestamp: 1767323045,
            service: "aiart",
            secretId: pair.id,
            secretKey: pair.secret,
            multipart: false,
            boundary: "",
            headers: { "Content-Type": String(sent.headers["content-type"]) },
          });
          expect(sent.headers.authorization).to.equal(theirs);
        }),
        runs,
      );
    });

    it("gives a call without a body the type that the scheme needs", async () => {
      const sent = await signTc3(requestOf(url, [], { method: "GET" }), { service: "aiart" }, { id: "a", secret: "b" }, now);
      expect(sent.headers["content-type"]).to.equal("application/x-www-form-urlencoded");
    });
  });
});
