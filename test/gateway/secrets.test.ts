import { expect } from "chai";
import pino from "pino";
import { secretsOf } from "../../src/net/auth/key.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider } from "../helpers/provider.ts";

const auths = {
  bearer: "bearer",
  basic: "basic",
  header: "{ header: x-key, scheme: Key }",
  query: "{ query: key }",
};

describe("what a client is told of a failure", () => {
  for (const [kind, auth] of Object.entries(auths)) {
    it(`never holds the key or the provider's host, with auth ${kind}`, async () => {
      const secret = "s3cret/+ value";
      const provider = await httpProvider((request, response) => {
        const { host, authorization, "x-key": key } = request.headers;
        const said = `${host} got ${authorization} ${String(key)} at http://${host}${request.url}, or ${request.url}; ${secret}`;
        response.writeHead(400).end(JSON.stringify({ error: { message: said, code: secret, param: `${host}` } }));
      });
      const lines: string[] = [];
      const log = pino({ level: "trace" }, { write: (line: string) => lines.push(line) });
      const files = {
        "shop.yaml": `extends: openai-images\nbase_url: ${provider.url}\nkeys: ["\${env.KEY}", { id: "\${env.KEY}", secret: "\${env.OTHER}" }]\nauth: ${auth}\nmodels: { dall-e-2: {} }\n`,
      };
      const gateway = await gatewayWith(files, { KEY: secret, OTHER: "0ther" }, { log });
      try {
        for (const request of [{}, { prompt: "again" }]) {
          const { status, text, headers } = await draw(gateway, { model: "dall-e-2", prompt: "x", ...request });
          const shown = [text, lines.join(""), JSON.stringify([...headers])].join("\n");
          expect(status).to.equal(400);
          expect(text).to.contain("*** got");
          for (const hidden of [
            secret,
            encodeURIComponent(secret),
            "s3cret",
            "0ther",
            Buffer.from(secret).toString("base64"),
            `127.0.0.1:${provider.port}`,
          ])
            expect(shown).not.to.contain(hidden);
        }
      } finally {
        await gateway.close();
        await provider.close();
      }
    });
  }

  it("does not show what looks like somebody's key, nor an address", async () => {
    const provider = await httpProvider((_request, response) =>
      response.writeHead(500).end(JSON.stringify({ error: "key sk-abcdefgh12345 at HTTPS://inner.example/a?b failed" })),
    );
    const gateway = await gatewayWith({ "shop.yaml": `extends: openai-images\nbase_url: ${provider.url}\nmodels: { dall-e-2: {} }\n` });
    try {
      const { json } = await draw(gateway, { model: "dall-e-2", prompt: "x" });
      expect(json.error.message).to.equal("key *** at (a URL) failed");
    } finally {
      await gateway.close();
      await provider.close();
    }
  });

  it("keeps its words where a key is so short that it is in many of them", async () => {
    const provider = await httpProvider((request, response) =>
      response.writeHead(400).end(JSON.stringify({ error: `likes ok keys: ${request.headers.authorization}` })),
    );
    const gateway = await gatewayWith(
      { "shop.yaml": `extends: openai-images\nbase_url: ${provider.url}\nkeys: ["\${env.KEY}"]\nmodels: { dall-e-2: {} }\n` },
      { KEY: "k" },
    );
    try {
      expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).json.error.message).to.equal("likes ok keys: Bearer k");
    } finally {
      await gateway.close();
      await provider.close();
    }
  });

  it("never holds the key where a call before the submission fails", async () => {
    const provider = await httpProvider((request, response) =>
      response.writeHead(400).end(JSON.stringify({ error: `${request.headers.authorization} at ${request.headers.host}` })),
    );
    const channel = `base_url: ${provider.url}
keys: ["\${env.KEY}"]
models: { dall-e-2: {} }
generate:
  before: { upload: { post: /files } }
  request: { post: "/\${before.upload.id}", json: { prompt: "\${request.prompt}" } }
  result: { images: "\${body.data}", url: "\${image.url}" }
`;
    const gateway = await gatewayWith({ "shop.yaml": channel }, { KEY: "very-secret-key" });
    try {
      const { status, json } = await draw(gateway, { model: "dall-e-2", prompt: "x" });
      expect([status, json.error.message]).to.deep.equal([400, "Bearer *** at ***"]);
    } finally {
      await gateway.close();
      await provider.close();
    }
  });

  it("hides a longer key before one that it begins with", () => {
    const secrets = secretsOf(["abc", { id: "abcdef", secret: "x" }]);
    expect(secrets.indexOf("abcdef:x")).to.be.below(secrets.indexOf("abcdef"));
    expect(secrets.indexOf("abcdef")).to.be.below(secrets.indexOf("abc"));
  });
});
