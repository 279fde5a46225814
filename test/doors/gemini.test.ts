import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { reply, until, type Handler, type House } from "../http/setup.ts";
import { houseWithDoor } from "./house.ts";

describe("doors: gemini", () => {
  let house: House;
  let handler: Handler;
  before(async () => {
    house = await houseWithDoor(await readFile("channels/doors/gemini.yaml", "utf8"), (...call) => handler(...call));
    house.gateway.heartbeat = 5;
  });
  after(() => house.close());
  beforeEach(() => house.reset());

  const draw = (path: string) =>
    fetch(`${house.url}/v1beta/models/cat-1:${path}key=${house.key}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ contents: [{ parts: [{ text: "a cat" }] }] }),
    });
  const refuse: Handler = (_, response) => reply(response, { error: { code: "content_policy_violation", message: "no cats" } }, 400);

  it("counts a refusal as one that failed, though its status is 200, and logs no key", async () => {
    handler = refuse;
    expect((await draw("generateContent?")).status).to.equal(200);
    await until(() => house.log.some(({ msg }) => msg === "request"));
    expect(house.log.find(({ msg }) => msg === "request")).to.include({ status: 400, path: "/v1beta/models/cat-1:generateContent" });
    expect(JSON.stringify(house.log)).not.to.include(house.key);
    const metrics = await house.gateway.metrics.registry.metrics();
    expect(metrics).to.include('path="/v1beta/{model...}:generateContent",model="cat-1",status="400"');
  });

  it("shows signs of life as events, and then a refusal too", async () => {
    handler = async (...call) => {
      await delay(60);
      await refuse(...call);
    };
    const text = await (await draw("streamGenerateContent?alt=sse&")).text();
    const [sign, ...others] = text.split("\n\n").slice(0, -1);
    expect(sign).to.match(/^data: \{"modelVersion":"cat-1","responseId":"req_\w+"\}$/);
    expect(others.at(-1)).to.match(/^data: \{"candidates":\[\{"finishReason":"IMAGE_SAFETY"/);
    expect(text).not.to.match(/^:/m);
  });
});
