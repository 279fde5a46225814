// A budget after its process was killed: nothing stays reserved, and what may have been ordered is charged.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { createLedger } from "../../src/ledger/ledger.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { solidPng } from "../../src/picture/png.ts";
import { serve } from "../../src/process/serve.ts";
import { metric, until } from "../http/setup.ts";
import { channelsWith, inFolder, urlOf } from "./serve-process.ts";

const channel = `base_url: \${env.TASKS_URL}
limits: { concurrency: 2 }
models: { demo: {} }
price: [{ bill: output_image, usd: 1 }]
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}", size: "\${request.size}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 50ms, state: "\${body.state}", pending: [working], done: [done], failed: [failed] }
  result: { images: "\${body.images}", base64: "\${image}" }
`;
const gateway = 'keys: [{ name: shop, key: "${env.SHOP_KEY}", budget: { usd: 10, per: total } }]\n';
const usd = 1_000_000_000;

describe("a budget whose process was killed", () => {
  it("has nothing reserved: a task is billed, what may have been ordered is charged, and what waited is given back", () =>
    inFolder(async (startProcess, folder) => {
      const seen = { orders: [] as string[], polls: 0, isDone: false };
      const provider = createServer((request, response) => {
        void text(request).then((body) => {
          if (request.method === "POST") {
            const { prompt } = JSON.parse(body) as { prompt: string };
            seen.orders.push(prompt);
            // The answer to one order never comes.
            if (prompt === "a task") response.end(JSON.stringify({ id: "t" }));
            return;
          }
          seen.polls += 1;
          const images = [solidPng(8, 8).toString("base64")];
          response.end(JSON.stringify(seen.isDone ? { state: "done", images } : { state: "working" }));
        });
      });
      provider.listen(0, "127.0.0.1");
      await once(provider, "listening");
      await writeFile(join(folder, "gateway.yaml"), gateway);
      const data = join(folder, "data");
      const env = {
        ...(await channelsWith(folder, { "tasks.yaml": channel })),
        ...{ TASKS_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`, SHOP_KEY: "sk-shop", PICTOR_WORKERS: "0" },
        ...{ LOG_LEVEL: "silent", PORT: "0", PICTOR_DATA: data },
      };
      const own = startProcess(env);
      const url = await urlOf(own);
      const draw = (prompt: string) =>
        fetch(`${url}/v1/images/generations`, {
          method: "POST",
          headers: { authorization: "Bearer sk-shop", "content-type": "application/json" },
          body: JSON.stringify({ model: "demo", prompt }),
        }).catch(() => undefined);
      const ledger = createLedger({ database: await openSqlite(join(data, "ledger.db")), folder });
      const figures = async () => (await ledger.spending.of("shop", Date.now())).find(({ per }) => per === "total");
      let close = () => Promise.resolve();
      try {
        const answers = [draw("a task")];
        await until(() => seen.polls > 0);
        answers.push(draw("an order without an answer"));
        await until(() => seen.orders.length === 2);
        answers.push(draw("one that waits in line"));
        await until(async () => (await figures())?.reserved === 3 * usd);
        own.child.kill("SIGKILL");
        await Promise.all([own.ended, ...answers]);

        seen.isDone = true;
        const serving = await serve(env, () => undefined);
        close = () => serving.close();
        await until(async () => (await figures())?.reserved === 0);
        expect((await figures())?.spent).to.equal(2 * usd);
        expect(await metric(serving.url, 'pictor_budget_left_usd{key="shop"}')).to.equal(8);
        const rows = await ledger.list({ limit: 9 });
        expect(rows.map(({ status, costNanos }) => [status, costNanos])).to.deep.equal([
          ["failed", undefined],
          ["unknown", undefined],
          ["completed", usd],
        ]);
        expect(seen.orders).to.have.length(2);
      } finally {
        await close();
        await ledger.close();
        provider.closeAllConnections();
        provider.close();
      }
    })).timeout(60_000);
});
