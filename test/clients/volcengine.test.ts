import { Service } from "@volcengine/openapi";
import { expect } from "chai";
import { loadDoors } from "../../src/door/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { channel, openDoors } from "../doors/house.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { reply, until } from "../http/setup.ts";

interface Answer {
  code: number;
  message: string;
  data: { task_id?: string; status?: string; image_urls?: string[]; binary_data_base64?: string[] } | null;
}

describe("client: @volcengine/openapi", () => {
  const picture = solidPng(64, 36).toString("base64");
  let house: DurableHouse;
  let orders: Record<string, unknown>[];
  before(async () => {
    house = await startDurableHouse({ "acme.yaml": channel });
    openDoors(house.gateway, (await loadDoors({ folder: "channels" })).doors);
  });
  after(() => house.close());
  beforeEach(() => {
    orders = [];
    house.handler = ({ body }, response) => {
      orders.push(JSON.parse(body) as Record<string, unknown>);
      if (body.includes("a crowd")) reply(response, { error: { message: "slow down" } }, 429);
      else if (body.includes("a bomb")) reply(response, { error: { code: "content_policy_violation", message: "not that" } }, 400);
      else reply(response, { data: [{ b64_json: picture }] });
    };
  });

  const call = (Action: string, data: object, accessKeyId = house.key) =>
    new Service({
      protocol: "http:",
      host: new URL(house.url).host,
      serviceName: "cv",
      region: "cn-north-1",
      accessKeyId,
      secretKey: "any secret",
    }).fetchOpenAPI<Answer>({
      pathname: "/jm",
      method: "POST",
      Action,
      Version: "2022-08-31",
      headers: { "content-type": "application/json; charset=utf-8" },
      data: JSON.stringify(data),
    } as never) as unknown as Promise<Answer>;
  const submit = async (more: object) => (await call("CVSync2AsyncSubmitTask", { req_key: "cat-1", ...more })).data?.task_id;
  const get = (task_id: unknown, more = {}) => call("CVSync2AsyncGetResult", { req_key: "cat-1", task_id, ...more });
  const ended = async (task_id: unknown) => {
    let answer = await get(task_id);
    await until(async () => !["in_queue", "generating"].includes((answer = await get(task_id)).data?.status ?? ""), "the task is over");
    return answer;
  };

  it("draws, and gets base64, or a URL where it asks for one", async () => {
    const task = await submit({ prompt: "a cat", width: 64, height: 36, seed: 7, force_single: true });
    const { code, message, data } = await ended(task);
    expect([code, message]).to.deep.equal([10000, "Success"]);
    expect(data).to.deep.equal({ status: "done", binary_data_base64: [picture] });
    const [url = ""] = (await get(task, { req_json: '{"return_url":true}' })).data?.image_urls ?? [];
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).toString("base64")).to.equal(picture);
    expect(orders).to.have.length(1);
    expect(orders[0]).to.include({ model: "cat-1", prompt: "a cat", size: "64x36", seed: 7, n: 1 });
  });

  describe("with a Bearer token, as clients of relays", () => {
    const bearer = async (Action: string, data: object) => {
      const response = await fetch(`${house.url}/jm?Action=${Action}&Version=2022-08-31`, {
        method: "POST",
        headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" },
        body: JSON.stringify({ req_key: "cat-1", ...data }),
      });
      return { status: response.status, answer: (await response.json()) as Answer };
    };
    const over = async (task_id: unknown) => {
      let result = await bearer("CVSync2AsyncGetResult", { task_id });
      const again = async () => (result = await bearer("CVSync2AsyncGetResult", { task_id })).answer;
      await until(async () => !["in_queue", "generating"].includes((await again()).data?.status ?? ""), "the task is over");
      return result;
    };

    it("draws", async () => {
      const { status, answer } = await bearer("CVSync2AsyncSubmitTask", { prompt: "a cat", width: 64, height: 36 });
      expect([status, answer.code, answer.message]).to.deep.equal([200, 10000, "Success"]);
      expect(await over(answer.data?.task_id))
        .to.deep.include({ status: 200 })
        .and.to.have.nested.property("answer.code", 10000);
      expect((await over(answer.data?.task_id)).answer.data).to.deep.equal({ status: "done", binary_data_base64: [picture] });
      expect(orders).to.have.length(1);
    });

    it("is told where the provider is asked too often", async () => {
      const { answer } = await bearer("CVSync2AsyncSubmitTask", { prompt: "a crowd" });
      const { status, answer: told } = await over(answer.data?.task_id);
      expect([status, told.code, told.data]).to.deep.equal([200, 50429, null]);
    });

    it("is refused where its key has as many tasks as it may", async () => {
      house.clients.set(house.key, { jobs: 0 });
      const { status, answer } = await bearer("CVSync2AsyncSubmitTask", { prompt: "a cat" });
      house.clients.clear();
      expect([status, answer.code, answer.data]).to.deep.equal([429, 50429, null]);
      expect(answer.message).to.include("this key may have 0 jobs");
      expect(orders).to.deep.equal([]);
    });
  });

  it("edits", async () => {
    const task = await submit({ prompt: "at night", binary_data_base64: [picture], size: 4194304, seed: -1 });
    expect((await ended(task)).data?.status).to.equal("done");
    expect(orders[0])
      .to.deep.include({ size: "2K", images: [`data:image/png;base64,${picture}`] })
      .and.not.to.have.property("seed");
  });

  it("gets a refusal and a failure with their codes", async () => {
    expect(await ended(await submit({ prompt: "a bomb" }))).to.deep.include({ code: 50412, status: 50412, message: "not that" });
    expect((await call("CVSync2AsyncGetResult", { task_id: "nobody's" })).data).to.deep.equal({ status: "not_found" });
  });

  it("is refused with a wrong key, and with a model that is not there", async () => {
    expect(await call("CVSync2AsyncSubmitTask", { req_key: "cat-1", prompt: "a cat" }, "AKLTnobody")).to.include({ code: 50400 });
    expect(await call("CVSync2AsyncSubmitTask", { req_key: "nobody", prompt: "a cat" })).to.include({ code: 50215 });
    expect(orders).to.deep.equal([]);
  });
});
