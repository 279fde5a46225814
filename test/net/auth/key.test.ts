import { expect } from "chai";
import { keyParts, keyProblem, partsOf, secretsOf } from "../../../src/net/auth/key.ts";
import { authSchema, type AuthSpec } from "../../../src/net/auth/spec.ts";
import { createAjv } from "../../../src/schema/ajv.ts";

const sigv4: AuthSpec = { sigv4: { service: "bedrock", region: "us-east-1" } };
const account: AuthSpec = { google_service_account: { scope: "s", token_url: "https://token.example" } };
const jwt = (algorithm: "HS256" | "RS256"): AuthSpec => ({
  jwt: { algorithm, claims: { a: 1, iss: "${key.id}", sub: "${key.id}", exp: "${now}" } },
});

describe("the parts of a key", () => {
  it("are named by the kind", () => {
    expect(keyParts("bearer")).to.equal(undefined);
    expect(keyParts({ header: "x-key" })).to.equal(undefined);
    expect(keyParts({ query: "key" })).to.equal(undefined);
    expect(keyParts({ body: "key" })).to.equal(undefined);
    expect(keyParts(sigv4)).to.deep.equal(["id", "secret"]);
    expect(keyParts(account)).to.deep.equal(["email", "private_key"]);
    expect(keyParts(jwt("HS256"))).to.deep.equal(["id", "secret"]);
    expect(keyParts(jwt("RS256"))).to.deep.equal(["id", "private_key"]);
  });

  it("may stand in one text", () => {
    expect(partsOf(sigv4, "AK|SK")).to.deep.equal({ id: "AK", secret: "SK" });
    expect(partsOf(sigv4, "AK|SK|more")).to.deep.equal({});
    expect(partsOf("bearer", "12|text")).to.deep.equal({});
  });

  it("may stand in a JSON document", () => {
    const document = { type: "service_account", client_email: "a@b", private_key: "PEM", number: 1 };
    expect(partsOf(account, JSON.stringify(document)))
      .to.include({ email: "a@b", private_key: "PEM" })
      .and.not.have.property("number");
    expect(partsOf(account, "{broken")).to.deep.equal({});
    expect(partsOf(account, { client_email: "a@b", private_key: "PEM" })).to.include({ email: "a@b" });
  });

  it("are asked for where they are missing, and a key that is there is not repeated", () => {
    expect(keyProblem("bearer", "AK")).to.equal(undefined);
    expect(keyProblem(sigv4, "AK|SK")).to.equal(undefined);
    expect(keyProblem(sigv4, "AKsecret")).to.equal(
      "sigv4 needs a key with parts, keys: [{ id: ..., secret: ... }], or one text, id|secret",
    );
    expect(keyProblem(sigv4, { id: "AK", secret: "" })).to.match(/^sigv4 needs/);
    expect(keyProblem(account, { email: "a@b" })).to.match(/^google_service_account needs .*\{ email: \.\.\., private_key: \.\.\. \}/);
  });

  it("are all secrets, also in the forms that the kinds of auth send", () => {
    const document = JSON.stringify({ client_email: "a@example.com", private_key: "a private key", short: "short" });
    expect(secretsOf(["key", "12|a-long-secret", { id: "AK", secret: "SK" }, "key", document])).to.include.members([
      "key",
      "a2V5",
      "AK:SK",
      "QUs6U0s=",
      "a%40example.com",
      "12|a-long-secret",
      "a-long-secret",
      "AK",
      "SK",
      document,
      "a@example.com",
      "a private key",
    ]);
    // A short piece of a text is no secret; hiding it would hide words.
    expect(secretsOf(["12|a-long-secret", document]))
      .not.to.include.members(["12"])
      .and.not.to.include.members(["short"]);
  });
});

describe("the schema of auth", () => {
  const validate = createAjv({ allErrors: true }).compile(authSchema);
  const jwtClaims = (claims: unknown) => ({ jwt: { algorithm: "HS256", claims } });

  for (const good of [
    "bearer",
    "basic",
    "none",
    { header: "x-key" },
    { header: "authorization", scheme: "Key" },
    { query: "key" },
    { body: "0.apiKey" },
    sigv4,
    { volcengine: { service: "cv", region: "cn-north-1" } },
    { tc3: { service: "aiart" } },
    jwtClaims({ iss: "${key.id}", exp: "${now + 1800}", nbf: "${now - 5}", iat: "${now}", aud: "plain", n: 1, b: true }),
    { jwt: { algorithm: "RS256", claims: {}, header: { sign_type: "SIGN" }, unit: "milliseconds", scheme: "Token" } },
    { oauth2: { token_url: "https://example.com/token", scope: "a b", audience: "c", auth_method: "client_secret_basic" } },
    { oauth2: { token_url: "${variables.host}/token" } },
    account,
  ]) {
    it(`accepts ${JSON.stringify(good)}`, () => expect(validate(good), JSON.stringify(validate.errors)).to.equal(true));
  }

  for (const bad of [
    "digest",
    {},
    { haeder: "x-key" },
    { header: "" },
    { scheme: "Key" },
    { header: "x-key", query: "key" },
    { query: "key", body: "key" },
    { sigv4: { service: "bedrock" } },
    { tc3: { service: "aiart", region: "x" } },
    jwtClaims({ exp: "${now+1800}" }),
    jwtClaims({ exp: "${expires}" }),
    jwtClaims({ list: [] }),
    { jwt: { claims: {} } },
    { oauth2: { token_url: "example.com" } },
    { google_service_account: {} },
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => expect(validate(bad)).to.equal(false));
  }

  it("describes everything", () => {
    const properties = (authSchema.else as { properties: Record<string, { description?: unknown; properties?: object }> }).properties;
    for (const [name, schema] of Object.entries(properties)) {
      expect(schema.description, name).to.be.a("string");
      for (const [option, inner] of Object.entries(schema.properties ?? {}))
        expect(inner, `${name}.${option}`).to.have.property("description");
    }
  });
});
