// Settings as the environment may hold them: each is refused with its variable's name, or can be sent.
import { expect } from "chai";
import fc from "fast-check";
import { validateHeaderValue } from "node:http";
import { createProblems, sourceOf, type Located } from "../../src/channels/problems.ts";
import { createResolver, resolveSettings } from "../../src/channels/settings.ts";
import { absolute } from "../../src/dialect/address.ts";
import type { ChannelSettings } from "../../src/channels/grammar.ts";
import type { AuthSpec } from "../../src/net/auth/spec.ts";
import { runs } from "./runs.ts";

const odd = fc.constantFrom(
  ..."\n|\r\n|\t| |\u200b|\ufeff|\u00a0|\u200e|\u2028|\0|\x7f|\"|'|“|”|é|🙂|\ud800|%|%zz|#|?|&|=|@|:|//|\\|..|{|}|$|${env.X}|[::1]|https://|http:|images/generations".split(
    "|",
  ),
);
const piece = fc.oneof({ weight: 3, arbitrary: odd }, { weight: 2, arbitrary: fc.string({ maxLength: 6 }) });
const noise = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
const around = (middle: fc.Arbitrary<string>) => fc.tuple(noise, middle, noise).map((parts) => parts.join(""));
const key = fc.oneof(around(fc.constant("sk-abc-1234")), noise, fc.string({ unit: "binary" }));
const address = fc.oneof(
  around(fc.constantFrom("https://a.example/v1", "http://127.0.0.1:8080", "https://a.b/?api-version=1", "https://u:p@a.b")),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  noise,
);
const auth = fc.constantFrom<AuthSpec>("bearer", "basic", { header: "x-key", scheme: "Key" }, { query: "key" }, { body: "key" });

describe("any key and address of the environment", () => {
  it("is refused with its variable's name and without its value, or can be sent", () => {
    const source = sourceOf("x.yaml", 'base_url: "${env.ADDRESS}"\n');
    const places = new Map([["", { source, key: 0, value: 0, end: 0, inside: () => 0 }]]);
    fc.assert(
      fc.property(key, address, auth, fc.boolean(), (secret, url, shown, own) => {
        const [keyName, urlName] = own ? ["X_API_KEY", "X_BASE_URL"] : ["SECRET", "ADDRESS"];
        const env = { [keyName]: secret, [urlName]: url };
        const located: Located<ChannelSettings> = {
          value: { base_url: "${env.ADDRESS}", keys: ["${env.SECRET}"], auth: shown, models: {} },
          places,
        };
        const problems = createProblems();
        const settings = resolveSettings("x", located, { env, resolve: createResolver({ env }, problems) }, problems);
        const told = problems.list();
        for (const { message, line, column } of told) {
          expect([line, column]).to.deep.equal([1, 1]);
          expect(message).to.match(/^(?:keys|base_url): |^X_BASE_URL: /);
          if (message.startsWith("keys")) expect(message).to.include(keyName);
          if (secret.length > 12) expect(message).not.to.include(secret);
        }
        if (told.length > 0 || settings.off !== undefined) return;
        const sent = new URL(absolute(settings.baseUrl, "/images", {}));
        expect([sent.username, sent.password, sent.hash]).to.deep.equal(["", "", ""]);
        expect(sent.pathname).to.match(/\/images$/);
        expect(sent.origin).to.equal(new URL(settings.baseUrl).origin);
        for (const text of settings.keys as readonly string[]) {
          expect(text).to.equal(text.trim()).and.not.equal("");
          if (shown === "bearer" || (typeof shown === "object" && "header" in shown)) validateHeaderValue("x-key", text);
        }
      }),
      { numRuns: runs(1000) },
    );
  }).timeout(600_000);
});
