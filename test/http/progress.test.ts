// Jobs show how much of the provider's task is done.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { png, reply, until } from "./setup.ts";

const channel = `base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
models: { demo: {} }
plugins: [fan-out: { max: 1 }]
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 5ms, state: "\${body.state}", pending: [working], done: [done], progress: "\${body.?percent}" }
  result: { images: "\${[body.image]}", base64: "\${image}" }
`;

describe("http: the progress of a job", () => {
  let house: DurableHouse;
  let tasks: number;
  /** How the tasks stand, by their numbers. */
  let percents: unknown[];
  let isDone: boolean;
  before(async () => (house = await startDurableHouse({ "acme.yaml": channel })));
  after(() => house.close());
  beforeEach(() => {
    [tasks, percents, isDone] = [0, [], false];
    house.handler = ({ method, path }, response) => {
      if (method === "POST") {
        reply(response, { id: tasks++ });
        return;
      }
      const percent = percents[Number(path.split("/").at(-1))];
      reply(response, isDone ? { state: "done", image: png.toString("base64") } : { state: "working", percent });
    };
  });

  const headers = { prefer: "respond-async" };
  const show = async (id: string) =>
    (await (await fetch(`${house.url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${house.key}` } })).json()) as {
      status: string;
      progress?: number;
    };

  it("is what the provider says, in percent, and never falls", async () => {
    percents = [null];
    const { id } = (await (await house.generate({ model: "demo", prompt: "a cat" }, { headers })).json()) as { id: string };
    await until(() => tasks === 1);
    await delay(50);
    expect(await show(id))
      .to.include({ status: "in_progress" })
      .and.not.have.property("progress");
    for (const [said, progress] of [
      [12.7, 12],
      ["30%", 30],
      ["nearly done", 30],
      [20, 30],
      [170, 100],
    ] as const) {
      percents = [said];
      await delay(30);
      await until(async () => (await show(id)).progress === progress, String(said));
    }
    isDone = true;
    await until(async () => (await show(id)).status === "completed");
    expect(await show(id)).to.not.have.property("progress");
  });

  it("is that of all its tasks together, and stands in its events", async () => {
    percents = [50, 20];
    const { id } = (await (await house.generate({ model: "demo", prompt: "a cat", n: 2 }, { headers })).json()) as { id: string };
    await until(() => tasks === 2);
    percents = [90, 60];
    await until(async () => (await show(id)).progress === 75);
    const stream = fetch(`${house.url}/v1/images/jobs/${id}/events`, { headers: { authorization: `Bearer ${house.key}` } });
    await delay(50);
    isDone = true;
    expect(await (await stream).text()).to.match(/event: image.job.in_progress\ndata: .*"progress":75[^]*event: image.job.completed/);
  });
});
