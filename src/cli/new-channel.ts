// Runs `pictor new channel`.
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { textsIn } from "../channels/texts.ts";
import { didYouMean } from "../schema/suggest.ts";

/** Kinds of a new channel: OpenAI's API, one call of its own shape, or a task that is polled. */
export const likes = ["openai", "own", "task"] as const;

export interface NewChannel {
  name: string;
  baseUrl: string;
  model: string;
  schema: string;
  like: (typeof likes)[number];
}

/**
 * Write a commented channel file that passes `check` into a folder; resolves with its path. `texts` are the channels that it will be among. Throws an Error that says what would be right where the
 * name, the address or the schema will not do, or where the file is there already.
 */
export async function writeChannel(folder: string, channel: NewChannel, texts = textsIn(folder)): Promise<string> {
  const { name, baseUrl, schema } = channel;
  // The name is the beginning of an environment's variable, which no digit begins.
  if (!/^[a-z][a-z0-9-]*$/.test(name))
    throw new Error(`${name} is no name for a channel; use lower-case letters, digits and dashes, a letter first`);
  if (!/^https?:\/\/[^\s#]+$/.test(baseUrl) || !URL.canParse(baseUrl))
    throw new Error(`--base-url is ${baseUrl}; it must be an address such as https://api.example.com/v1`);
  const schemas = (await texts.list("models")).map((file) => basename(file, ".json")).filter((id) => id !== "common");
  if (!schemas.includes(schema)) throw new Error(`there is no schema models/${schema}.json (${didYouMean(schema, schemas)})`);
  const file = join(folder, `${name}.yaml`);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(file, text(channel), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new Error(`${file} is there already; choose another name`);
    throw error;
  }
  return file;
}

function text({ name, baseUrl, model, schema, like }: NewChannel): string {
  const variable = `${name.toUpperCase().replaceAll("-", "_")}_API_KEY`;
  const head = `# yaml-language-server: $schema=channel.schema.json
description: ${name}, in one sentence.
base_url: ${baseUrl}
keys: ["\${env.${variable}}"] # the channel is off while it is not set
# auth: { header: x-key }   # bearer when omitted; docs/channels.md lists the kinds

models:
  ${JSON.stringify(model)}: { schema: ${schema} } # upstream: the provider's name for it, where that is another

plugins: # outermost first
  - response-format
`;
  return head + { openai: openaiPart, own: ownPart, task: taskPart }[like] + testPart(like, model, variable);
}

const openaiPart = `
extends: openai-images # what is different there is written under generate, null deletes
`;

const ownPart = `  - fan-out: { max: 1 } # n pictures are n calls
  - size-map: { multiple_of: 8, max_side: 2048, otherwise: nearest } # what the provider draws; a ratio becomes pixels

generate:
  request:
    post: /draw
    json: # the body that the provider wants; a field that the client did not give is left out
      prompt: \${request.prompt}
      width: \${size.width}
      height: \${size.height}
      seed: \${request.seed}
  result:
    images: \${body.images} # the list of pictures in its answer
    url: \${image.?url} # or base64: \${image.?data}
`;

const taskPart = `  - fan-out: { max: 1 } # n pictures are n calls
  - size-map: { multiple_of: 8, max_side: 2048, otherwise: nearest } # what the provider draws; a ratio becomes pixels

generate:
  request:
    post: /draw
    json:
      prompt: \${request.prompt}
      width: \${size.width}
      height: \${size.height}
  poll:
    get: /tasks/\${submitted.id}
    every: { first: 1s, grow: 1.5, max: 5s }
    state: \${body.status}
    pending: [queued, running]
    done: [succeeded]
    failed: [failed]
    message: \${body.?error}
  result:
    images: \${body.images}
    url: \${image.url}
`;

function testPart(like: NewChannel["like"], model: string, variable: string): string {
  const headers = `headers: { authorization: "Bearer env:${variable}" }`;
  const submit = {
    openai: `      - expect: { post: /images/generations, ${headers} }
        reply: { json: { created: 1, data: [{ url: "\${base_url}/1.png" }] } }
`,
    own: `      - expect: { post: /draw, ${headers} }
        reply: { json: { images: [{ url: "\${base_url}/1.png" }] } }
`,
    task: `      - expect: { post: /draw, ${headers} }
        reply: { json: { id: t1, status: queued } }
      - expect: { get: /tasks/t1 }
        reply: { json: { status: succeeded, images: [{ url: "\${base_url}/1.png" }] } }
`,
  }[like];
  return `
tests: # run offline by pictor test; \${env.X} reads as env:X
  - name: a prompt becomes a picture
    request: { model: ${JSON.stringify(model)}, prompt: a cat }
    exchange:
${submit}    answer: { status: 200, json: { data: [{ url: "\${base_url}/1.png" }] } }
`;
}
