// The proxy as one writes it in an afternoon with the same libraries: read all, parse, judge, call, parse, change, stringify.
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Ajv } from "ajv";
import got from "got";
import Koa from "koa";

const { PORT, PROVIDER = "", BENCH_FOLDER = "." } = process.env;

interface Answer {
  data: { url?: string; b64_json?: string }[];
}

const judge = new Ajv().compile({
  type: "object",
  required: ["model", "prompt"],
  additionalProperties: false,
  properties: {
    model: { type: "string" },
    prompt: { type: "string", minLength: 1, maxLength: 1000 },
    n: { type: "integer", minimum: 1, maximum: 10 },
    size: { enum: ["256x256", "512x512", "1024x1024"] },
    quality: { enum: ["standard"] },
    response_format: { enum: ["url", "b64_json"] },
    user: { type: "string" },
  },
});

const app = new Koa();
app.use(async (ctx) => {
  const [, id] = /^\/images\/(\w+)$/.exec(ctx.path) ?? [];
  if (id !== undefined) {
    ctx.type = "image/png";
    ctx.body = createReadStream(join(BENCH_FOLDER, id));
    return;
  }
  const content = await buffer(ctx.req);
  const headers = { authorization: "Bearer sk-provider", "content-type": ctx.get("content-type") };
  if (!ctx.is("json")) {
    ctx.body = await got.post(`${PROVIDER}${ctx.path}`, { body: content, headers }).json();
    return;
  }
  const request = JSON.parse(content.toString()) as { response_format?: string };
  if (!judge(request)) ctx.throw(400, JSON.stringify(judge.errors));
  const answer = await got.post(`${PROVIDER}${ctx.path}`, { json: request, headers }).json<Answer>();
  for (const picture of answer.data) {
    if (request.response_format === "b64_json" && picture.url !== undefined) {
      picture.b64_json = (await got(picture.url).buffer()).toString("base64");
      delete picture.url;
    }
    if (request.response_format === "url" && picture.b64_json !== undefined) {
      const name = randomBytes(16).toString("hex");
      await writeFile(join(BENCH_FOLDER, name), Buffer.from(picture.b64_json, "base64"));
      picture.url = `http://${ctx.host}/images/${name}`;
      delete picture.b64_json;
    }
  }
  ctx.body = answer;
});
app.listen(Number(PORT), "127.0.0.1");
