import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import jsonwebtoken from "jsonwebtoken";
import { ProviderFailure } from "../../../src/errors.ts";
import { createAuthorizer, type Authorizer, type Key } from "../../../src/net/auth/authorizer.ts";
import type { AuthSpec } from "../../../src/net/auth/spec.ts";
import type { TokenFetcher } from "../../../src/net/auth/token.ts";
import { readBody, send } from "../../../src/net/send.ts";

interface Asked {
  authorization?: string;
  type?: string;
  form: Record<string, string>;
}

const { signal } = new AbortController();
const secret = "very-secret/+&";

const fetchToken: TokenFetcher = async (request, until) => {
  const answer = await send(request, until);
  return { status: answer.status, body: JSON.parse(String(await readBody(answer, 10_000, until))) as unknown };
};

describe("tokens", () => {
  let server: http.Server;
  let url: string;
  let asked: Asked[];
  let answers: { status?: number; body: unknown; after?: number }[];
  let time: number;

  before(async () => {
    server = http.createServer((request, response) => {
      void text(request).then(async (body) => {
        const { authorization, "content-type": type } = request.headers;
        asked.push({ ...(authorization && { authorization }), type, form: Object.fromEntries(new URLSearchParams(body)) });
        const answer = answers.shift() ?? { body: { access_token: `token-${asked.length}`, expires_in: 3600 } };
        await delay(answer.after ?? 0);
        response.writeHead(answer.status ?? 200, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(() => {
    asked = [];
    answers = [];
    time = Date.parse("2026-01-02T03:04:05Z");
  });

  const authorizerOf = (spec: AuthSpec, fetcher = fetchToken) => createAuthorizer(spec, { now: () => new Date(time), fetchToken: fetcher });
  const oauth2 = (more = {}): AuthSpec => ({ oauth2: { token_url: url, ...more } });
  const show = async (authorize: Authorizer, key: Key = `me|${secret}`, until = signal) =>
    (await authorize({ method: "GET", url: "https://example.com/", headers: {} }, key, until)).headers.authorization;

  async function failure(authorize: Authorizer): Promise<ProviderFailure> {
    const error: unknown = await show(authorize).catch((reason: unknown) => reason);
    if (!(error instanceof ProviderFailure)) throw new Error(`no ProviderFailure but ${String(error)}`);
    expect(error.details.notAccepted).to.equal(true);
    expect(error.message).not.to.include(secret);
    expect(error.cause).to.equal(undefined);
    return error;
  }

  it("are not used again once they were turned away", async () => {
    const authorize = authorizerOf(oauth2());
    expect([await show(authorize), await show(authorize)]).to.deep.equal(["Bearer token-1", "Bearer token-1"]);
    authorize.turnedAway?.(`me|${secret}`);
    expect(await show(authorize)).to.equal("Bearer token-2");
  });

  it("are asked for with the key in the form", async () => {
    expect(await show(authorizerOf(oauth2({ scope: "a b", audience: "c" })))).to.equal("Bearer token-1");
    expect(asked).to.deep.equal([
      {
        type: "application/x-www-form-urlencoded",
        form: { grant_type: "client_credentials", scope: "a b", audience: "c", client_id: "me", client_secret: secret },
      },
    ]);
  });

  it("are asked for with the key as Basic, both halves escaped", async () => {
    await show(authorizerOf(oauth2({ auth_method: "client_secret_basic" })), { id: "m:e", secret });
    expect(Buffer.from(String(asked[0]?.authorization?.slice("Basic ".length)), "base64").toString()).to.equal(
      "m%3Ae:very-secret%2F%2B%26",
    );
    expect(asked[0]?.form).to.deep.equal({ grant_type: "client_credentials" });
  });

  it("are exchanged for a service account's assertion", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const document = {
      type: "service_account",
      client_email: "me@example.com",
      private_key: privateKey,
      token_uri: "https://elsewhere.example",
    };
    const authorize = authorizerOf({ google_service_account: { scope: "pictures", token_url: url } });
    expect(await show(authorize, JSON.stringify(document))).to.equal("Bearer token-1");
    const { grant_type, assertion } = asked[0]?.form ?? {};
    expect(grant_type).to.equal("urn:ietf:params:oauth:grant-type:jwt-bearer");
    expect(jsonwebtoken.verify(String(assertion), publicKey, { complete: true, clockTimestamp: time / 1000 })).to.deep.include({
      header: { alg: "RS256", typ: "JWT" },
      payload: { iss: "me@example.com", scope: "pictures", aud: url, iat: time / 1000, exp: time / 1000 + 3600 },
    });
  });

  it("are not asked for with a key that cannot sign", async () => {
    const authorize = authorizerOf({ google_service_account: { scope: "s", token_url: url } });
    const error: unknown = await show(authorize, { email: "me", private_key: secret }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ProviderFailure).and.include({ kind: "auth" });
    expect(asked).to.deep.equal([]);
  });

  it("are kept for each key until a minute before their end", async () => {
    const authorize = authorizerOf(oauth2());
    expect(await show(authorize)).to.equal("Bearer token-1");
    expect(await show(authorize, "you|secret")).to.equal("Bearer token-2");
    time += 3539_000;
    expect(await show(authorize)).to.equal("Bearer token-1");
    time += 1000;
    expect(await show(authorize)).to.equal("Bearer token-3");
  });

  it("live five minutes where the server does not say how long, and may be told to in text", async () => {
    answers = [{ body: { access_token: "a" } }, { body: { access_token: "b", expires_in: "600" } }];
    const authorize = authorizerOf(oauth2());
    expect(await show(authorize)).to.equal("Bearer a");
    time += 239_000;
    expect(await show(authorize)).to.equal("Bearer a");
    time += 1000;
    expect(await show(authorize)).to.equal("Bearer b");
    time += 539_000;
    expect(await show(authorize)).to.equal("Bearer b");
    time += 1000;
    expect(await show(authorize)).to.equal("Bearer token-3");
  });

  it("are fetched once for callers who come together, and one who leaves takes nobody along", async () => {
    answers = [{ body: { access_token: "shared", expires_in: 10 }, after: 50 }];
    const authorize = authorizerOf(oauth2());
    const leaving = new AbortController();
    const first = show(authorize, `me|${secret}`, leaving.signal).catch((reason: unknown) => reason);
    const others = [show(authorize), show(authorize)];
    const reason = new Error("gone");
    leaving.abort(reason);
    expect(await first).to.equal(reason);
    expect(await Promise.all(others)).to.deep.equal(["Bearer shared", "Bearer shared"]);
    expect(asked).to.have.length(1);
    const late: unknown = await show(authorize, `me|${secret}`, leaving.signal).catch((error: unknown) => error);
    expect(late).to.equal(reason);
  });

  it("are asked for anew after a failure, whose class is its status's", async () => {
    answers = [
      { status: 401, body: { error: "invalid_client", error_description: `no client with ${secret}` } },
      { status: 400, body: { error: secret } },
      { status: 429, body: "slow down" },
      { status: 503, body: null },
      { status: 302, body: { access_token: "elsewhere" } },
      { status: 200, body: { access_token: "" } },
      { status: 200, body: { token: secret } },
    ];
    const authorize = authorizerOf(oauth2());
    const told = [];
    while (answers.length > 0) told.push(await failure(authorize));
    expect(
      told.map(({ kind, details, message }) => [kind, details.status, message.replace("the token server answered with ", "")]),
    ).to.deep.equal([
      ["auth", 401, "status 401 and invalid_client, but no access_token"],
      ["auth", 400, "status 400, but no access_token"],
      ["rate_limit", 429, "status 429, but no access_token"],
      ["overloaded", 503, "status 503, but no access_token"],
      ["auth", 302, "status 302, but no access_token"],
      ["auth", 200, "status 200, but no access_token"],
      ["auth", 200, "status 200, but no access_token"],
    ]);
    expect(await show(authorize)).to.equal("Bearer token-8");
  });

  it("that do not come are a failure of the network's kind, or of the time's", async () => {
    const closed = http.createServer();
    await once(closed.listen(0, "127.0.0.1"), "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, "close");
    const refused = await failure(authorizerOf({ oauth2: { token_url: `http://127.0.0.1:${port}/` } }));
    expect(refused).to.include({ kind: "failed", message: "the token server did not answer" });
    const slow = await failure(authorizerOf(oauth2(), () => Promise.reject(new DOMException("too late", "TimeoutError"))));
    expect(slow).to.include({ kind: "timeout", message: "the token server did not answer" });
  });
});
