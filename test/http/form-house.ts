// A gateway whose provider takes all that a client said, and forms written byte for byte.
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider } from "../helpers/provider.ts";

export const png = solidPng(8, 8);
export const dataUri = `data:image/png;base64,${png.toString("base64")}`;

/** A channel of these models whose provider takes all that a client said, images as data URIs. */
export const echo = (...models: string[]) => `
description: Takes all that a client said.
base_url: \${env.BASE}
models: { ${models.map((model) => `${model}: {}`).join(", ")} }
plugins: [{ image-inputs: { as: data_uri } }]
generate: &same
  request: { post: /draw, json: { $merge: ["\${request}", { images: "\${request.images}", mask: "\${request.mask}" }] } }
  result: { images: "\${body.data}", base64: "\${image.b64_json}" }
edit: *same
`;

const open = JSON.stringify({
  $id: "open.json",
  type: "object",
  "x-operations": ["generate", "edit"],
  allOf: [{ $ref: "common.json" }],
  properties: { tags: { type: "array", items: { type: "string" } }, tune: { type: "object", properties: { steps: { type: "integer" } } } },
  required: ["model", "prompt"],
});

export interface Sent {
  images?: string[];
  mask?: string;
  [field: string]: unknown;
}

/** A part as it goes over the wire; a head without a disposition of its own is named by it. */
export type Part = [head: string, content: string | Buffer];

export const named = (name: string, more = "") => `content-disposition: form-data; name="${name}"${more}`;
export const text = (name: string, content: string): Part => [named(name), content];
export const plain: Part[] = [text("model", "demo"), text("prompt", "a hat")];
export const image: Part = [`${named("image", '; filename="a.png"')}\r\ncontent-type: image/png`, png];

export function formOf(parts: readonly Part[], boundary = "x"): Buffer {
  const pieces = parts.flatMap(([head, content]) => [
    Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

export const multipart = { "content-type": "multipart/form-data; boundary=x" };

/** The gateway, and requests to it. Each test begins with `forget`. */
export async function startFormHouse() {
  let sent: Sent[] = [];
  const provider = await httpProvider((request, response) => {
    const chunks: Buffer[] = [];
    request
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("end", () => {
        sent.push(JSON.parse(Buffer.concat(chunks).toString()) as Sent);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ data: [{ b64_json: png.toString("base64") }] }));
      });
  });
  const gateway = await gatewayWith({ "echo.yaml": echo("demo", "gpt-image-1", "open"), "models/open.json": open }, { BASE: provider.url });
  const post = (body: string | Buffer, headers: Record<string, string> = multipart, path = "/v1/images/edits") =>
    fetch(gateway.url + path, {
      method: "POST",
      body: typeof body === "string" ? body : new Uint8Array(body),
      headers: { authorization: `Bearer ${gateway.key}`, ...headers },
    });
  return {
    ...gateway,
    sent: () => sent,
    forget: () => void (sent = []),
    post,
    postParts: (...parts: Part[]) => post(formOf([...plain, ...parts])),
    postJson: (body: object) => post(JSON.stringify({ prompt: "a hat", ...body }), { "content-type": "application/json" }),
    /** What the provider got for a request that must be served. */
    served: async (response: Response): Promise<Sent> => {
      expect(response.status, await response.text()).to.equal(200);
      expect(sent).to.have.length(1);
      return sent[0]!;
    },
    close: async () => {
      await gateway.close();
      await provider.close();
    },
  };
}

export type FormHouse = Awaited<ReturnType<typeof startFormHouse>>;
