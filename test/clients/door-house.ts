// A gateway with the doors that ship, before two unlike providers: one draws at once, the other works on tasks.
import { readFile } from "node:fs/promises";
import { loadDoors } from "../../src/door/load.ts";
import { startDemoProvider } from "../../src/demo/server.ts";
import { createTable } from "../../src/gateway/table.ts";
import { solidPng } from "../../src/picture/png.ts";
import { startGateway } from "../../src/testing/gateway.ts";
import { startMock, type Mock } from "../../src/testing/mock.ts";
import { loadFiles } from "../helpers/channels.ts";

/** A model of the provider that draws at once, and one of the provider of tasks. Their names begin as the AI SDK wants them to. */
export const models = { demo: "gemini-demo", tasks: "gemini-easel" };

const easel = `
description: A provider of tasks.
base_url: \${env.EASEL_URL}
keys: ["\${env.EASEL_KEY}"]
models: { ${models.tasks}: { schema: gemini-3-pro-image }, acme/easel: { schema: open }, acme/brush: { schema: open } }
plugins:
  - inspect
  - image-inputs: { as: base64 }
  - size-map: { ratios: ["1:1", "16:9"], tiers: { 1K: 1000000, 2K: 4000000 }, table: { 1K: 1K, 2K: 2K }, auto: drop }
  - fan-out: { max: 1 }
generate:
  request: &request
    post: /tasks
    json: { words: "\${request.prompt}", ratio: "\${size.ratio}", tier: "\${size.tier}", pictures: "\${request.images}" }
  poll:
    get: /tasks/\${submitted.id}
    every: 5ms
    state: \${body.state}
    pending: [working]
    done: [done]
    refused: [refused]
    message: \${body.?why}
  result: { images: "\${[body]}", base64: "\${image.picture}", usage: "\${body.?usage}" }
edit: { like: generate }
`;

/** The picture that the tasks make. */
export const drawn = solidPng(64, 36);

/** Exchanges of a task that is ordered with these fields and ends so. */
export function task(order: object, end: object = { state: "done", picture: drawn.toString("base64"), usage: { total_tokens: 12 } }) {
  const poll = { get: "/tasks/t1" };
  return [
    { expect: { post: "/tasks", json: order }, reply: { json: { id: "t1" } } },
    { expect: poll, reply: { json: { state: "working" } } },
    { expect: poll, reply: { json: end } },
  ];
}

/** Start the gateway. `mock` is the provider of tasks. */
export async function startDoors(): Promise<{ url: string; key: string; mock: Mock; close(): Promise<void> }> {
  const [demo, mock] = [await startDemoProvider(), await startMock()];
  const own = (await readFile("channels/demo.yaml", "utf8")).replace("\n  demo:", `\n  ${models.demo}: { schema: demo }\n  demo:`);
  const env = { DEMO_BASE_URL: demo.url, EASEL_URL: mock.url, EASEL_KEY: "easel-secret" };
  const loaded = await loadFiles({ "demo.yaml": own, "easel.yaml": easel }, env);
  const doors = (await loadDoors({ folder: "channels" })).doors.map(({ door }) => door);
  const table = createTable(loaded, { doors });
  const gateway = await startGateway({ table: () => table, heartbeat: 2 });
  return {
    url: gateway.url,
    key: gateway.key,
    mock,
    close: async () => {
      await gateway.close();
      await demo.close();
      await mock.close();
    },
  };
}
