// What explain shows of the calls around a submission, whose answers nobody gives.
import { expect } from "chai";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { explain } from "../../src/cli/explain.ts";
import { solidPng } from "../../src/picture/png.ts";
import { makeFolder } from "../channels/mistakes.ts";
import { channelFolder } from "../helpers/channels.ts";
import { inProcess } from "./commands.ts";

interface Call {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: unknown;
}
type Told = { channels: { requests: Call[]; polls: (Call & { after: number[] })[]; refused?: object }[] };

const task = `base_url: http://127.0.0.1:1/v1?api-version=1
keys: ["\${env.KEY}"]
models: { m: }
generate:
  request: { post: /draw, json: { text: "\${request.prompt}" } }
  poll:
    get: /tasks/\${submitted.task[0].id}
    headers: { x-trace: '\${headers["x-trace"]}' }
    every: { first: 500ms, grow: 2, max: 1500ms }
    state: \${body.state}
    done: [done]
  result: { images: "\${body.images}", url: "\${image}" }
`;

/** A channel that uploads first, below an account that the environment names. */
const uploaded = `base_url: http://127.0.0.1:1/v1
variables: { account: "\${env.ACCOUNT}" }
models: { m: }
generate:
  before: { up: { post: /up } }
  request: { post: "/draw", json: { text: "\${request.prompt}", file: "a cat" }, query: { of: "\${variables.account}" } }
  result: { images: "\${body.images}", url: "\${image}" }
`;

describe("pictor explain, of calls that wait for answers", () => {
  let folder: string;
  let computed: string;
  before(async () => {
    folder = await makeFolder({
      "led.yaml": task.replace(/get: .*/, "post: ${submitted.status_url}").replace("models:", "priority: 2\nmodels:"),
      "task.yaml": task,
      "unclear.yaml": task.replace(/get: .*/, 'get: "/tasks/${int(submitted.id) + 1}"').replace("models:", "priority: 3\nmodels:"),
    });
    await writeFile(join(folder, "cat.png"), solidPng(8, 8));
    computed = await makeFolder({
      "drawn.yaml": uploaded.replace("/draw", "/draw/${int(before.up.id) + 1}"),
      "sent.yaml": uploaded.replace("a cat", "${before.up.id * 2}").replace("models:", "priority: 2\nmodels:"),
      "twice.yaml": uploaded
        .replace("post: /up }", "post: /up }, more: { post: '/up/${int(before.up.id)}' }")
        .replace("models:", "priority: 3\nmodels:"),
    });
  });
  after(() => Promise.all([folder, computed].map((made) => rm(made, { recursive: true }))));

  const tell = async (model: string, env: Record<string, string>, image: string[] = []): Promise<Told> => {
    const { out, err } = await inProcess((say) => explain(model, {}, { json: true, image }, { env, say }));
    expect(err).to.equal("");
    return JSON.parse(out) as Told;
  };

  it("shows the poll that would follow, and when", async () => {
    const { channels } = await tell("m", { PICTOR_CHANNELS: folder, KEY: "a-secret-of-ours" });
    const [first, led, unclear] = channels.map(({ polls }) => polls);
    expect(first).to.deep.equal([
      {
        method: "GET",
        url: "http://127.0.0.1:1/v1/tasks/(submitted.task.0.id)?api-version=1",
        headers: { accept: "application/json", "x-trace": "(headers.x-trace)", authorization: "Bearer ***" },
        after: [500, 1000, 1500],
      },
    ]);
    // An address that the provider gives may be anybody's: the key does not go there.
    expect(led?.[0]).to.include({ method: "POST", url: "https://submitted-status-url.invalid/" });
    expect(led?.[0]?.headers).not.to.have.property("authorization");
    expect(unclear).to.deep.equal([]);
    const { out } = await inProcess((say) => explain("m", {}, {}, { env: { PICTOR_CHANNELS: folder, KEY: "k" }, say }));
    expect(out).to.match(/\n {2}then, after 0\.5 s, 1 s, 1\.5 s and so on, until it is made:\n {2}GET http:.*\/tasks\//);
  });

  it("says that only a real answer could be computed with", async () => {
    const { channels } = await tell("m", { PICTOR_CHANNELS: computed, ACCOUNT: "a" });
    const message = "this request is computed from the answer to an earlier call, and only a real answer can be shown in it";
    for (const { refused } of channels) expect(refused).to.deep.equal({ code: "invalid_value", message, param: null });
    expect(channels).to.have.length(3);
  });

  it("lets the name of a variable that is not set stand for its value", async () => {
    const account = await makeFolder({ "x.yaml": uploaded });
    try {
      const { channels } = await tell("m", { PICTOR_CHANNELS: account });
      expect(channels[0]).to.include({ off: "ACCOUNT is not set" });
      expect(channels[0]!.requests[1]!.url).to.equal("http://127.0.0.1:1/v1/draw?of=%28ACCOUNT%29");
    } finally {
      await rm(account, { recursive: true });
    }
  });

  it("lets names stand for the answers to earlier calls, one for each image of a list", async () => {
    const image = join(folder, "cat.png");
    const shipped = await channelFolder({ "leonardo.yaml": await readFile("channels/leonardo.yaml", "utf8") });
    const env = { PICTOR_CHANNELS: shipped.folder, LEONARDO_API_KEY: "k" };
    const [phoenix, banana] = await Promise.all([
      tell("leonardo-phoenix", env, [image]),
      tell("leonardo-nano-banana-2", env, [image, image]),
    ]).finally(shipped.remove);
    expect(phoenix.channels[0]).not.to.have.property("refused");
    const [slot, upload, submission] = phoenix.channels[0]!.requests;
    expect(slot).to.deep.include({ method: "POST", body: { extension: "png" } });
    expect(upload).to.include({ method: "POST", url: "https://before-slot-0-uploadinitimage-url.invalid/" });
    expect(upload!.headers).not.to.have.property("authorization");
    expect(submission!.body).to.include({ prompt: "a cat", init_image_id: "(before.slot.0.uploadInitImage.id)" });
    expect(JSON.stringify(banana.channels[0]!.requests.at(-1))).to.include("(before.slot.1.uploadInitImage.id)");
    expect(phoenix.channels[0]!.polls[0]!.url).to.match(/\/v1\/generations\/\(submitted\.sdGenerationJob\.generationId\)$/);
  });
});
