import { expect } from "chai";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider } from "../helpers/provider.ts";

describe("a token that the provider turns away", () => {
  it("is not sent again, however long it was to live", async () => {
    let tokens = 0;
    const seen: (string | undefined)[] = [];
    const provider = await httpProvider((request, response) => {
      request.resume();
      response.setHeader("content-type", "application/json");
      if (request.url === "/token") return void response.end(JSON.stringify({ access_token: `token-${(tokens += 1)}`, expires_in: 3600 }));
      seen.push(request.headers.authorization);
      response.writeHead(401).end(JSON.stringify({ error: { message: "expired" } }));
    });
    const gateway = await gatewayWith(
      {
        "shop.yaml": `extends: openai-images
base_url: ${provider.url}
keys: [{ id: "\${env.ID}", secret: "\${env.SECRET}" }]
auth: { oauth2: { token_url: "${provider.url}/token" } }
models: { dall-e-2: {} }
`,
      },
      { ID: "me", SECRET: "opens the door" },
    );
    try {
      for (let times = 0; times < 2; times += 1) await draw(gateway, { model: "dall-e-2", prompt: "x" });
      expect(seen).to.deep.equal(["Bearer token-1", "Bearer token-2"]);
    } finally {
      await gateway.close();
      await provider.close();
    }
  });
});
