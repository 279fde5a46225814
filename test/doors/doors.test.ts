import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import sharp from "sharp";
import { halfClearPng, solidPng } from "../../src/picture/png.ts";
import { createChoices } from "../../src/testing/choices.ts";
import { startDurableHouse } from "../http/durable-house.ts";
import { reply, until, type House } from "../http/setup.ts";
import { channel, doorsOf, houseWithDoor, openDoors } from "./house.ts";

const sketch = await readFile("test/doors/sketch.yaml", "utf8");

/** Call a door with a key in the header that it wants. */
async function call({ url, key }: Pick<House, "url" | "key">, path: string, body?: unknown) {
  const response = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "x-sketch-key": key, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as Record<string, unknown> };
}

describe("a door", () => {
  const raw = { width: 1200, height: 1200, channels: 3 as const };
  let large: string;
  before(async () => {
    large = (
      await sharp(randomBytes(1200 * 1200 * 3), { raw })
        .png()
        .toBuffer()
    ).toString("base64");
  });

  it("takes and gives pictures of megabytes byte for byte, and says the length of its answer", async () => {
    let sent = "";
    const house = await houseWithDoor(sketch, ({ body }, response) => {
      sent = body;
      reply(response, { data: [{ b64_json: large }] });
    });
    try {
      const { status, headers, text, json } = await call(house, "/sketch/cat-1:draw", {
        about: { text: "a cat" },
        pictures: [{ content: large }, { content: `data:image/png;base64,${large}` }],
      });
      expect(status).to.equal(200);
      expect(Number(headers.get("content-length"))).to.equal(text.length);
      expect((json as { pictures: { content: string }[] }).pictures[0]?.content === large, "the picture").to.equal(true);
      const { images } = JSON.parse(sent) as { images: string[] };
      expect(images.map((image) => image === `data:image/png;base64,${large}`)).to.deep.equal([true, true]);
    } finally {
      await house.close();
    }
  });

  it("drops a picture that nothing reads, and refuses one where a text belongs", async () => {
    const house = await houseWithDoor(sketch, (_, response) => reply(response, { data: [{ b64_json: large }] }));
    try {
      const dropped = await call(house, "/sketch/cat-1:draw", { about: { text: "a cat" }, backdrop: large });
      expect([dropped.status, dropped.headers.get("x-pictor-changes")]).to.deep.equal([200, "backdrop dropped"]);
      const { status, json } = await call(house, "/sketch/cat-1:draw", { about: { text: large } });
      expect([status, json.code]).to.deep.equal([413, "request_too_large"]);
    } finally {
      await house.close();
    }
  });

  it("shows a key in the query to nobody", async () => {
    const seen: string[] = [];
    const house = await houseWithDoor(sketch, (made, response) => {
      seen.push(JSON.stringify(made));
      reply(response, { error: { message: "no" } }, 500);
    });
    try {
      const said = { headers: { "content-type": "application/json" }, method: "POST", body: '{ "about": { "text": "a cat" } }' };
      const answers = [
        await fetch(`${house.url}/sketch/cat-1:draw?key=${house.key}`, said),
        await fetch(`${house.url}/sketch/nobody:draw?key=${house.key}`, said),
        await fetch(`${house.url}/sketch/models?key=sk-wrong`),
      ];
      expect(answers.map(({ status }) => status)).to.deep.equal([502, 404, 401]);
      const told = JSON.stringify([await Promise.all(answers.map((answer) => answer.text())), house.log, seen]);
      expect(house.log).to.have.length.above(2);
      expect(told).not.to.include(house.key).and.not.to.include("sk-wrong");
    } finally {
      await house.close();
    }
  });

  it("ends a stream that fails with an error of its own", async () => {
    const house = await houseWithDoor(sketch, (_, response) => {
      const event = JSON.stringify({ type: "image_generation.partial_image", b64_json: solidPng(8, 8).toString("base64") });
      response
        .writeHead(200, { "content-type": "text/event-stream" })
        .write(`data: ${event}\n\n`, () => setTimeout(() => response.destroy(), 50));
    });
    try {
      const response = await fetch(`${house.url}/sketch/cat-1:draw?alt=sse`, {
        method: "POST",
        headers: { "x-sketch-key": house.key, "content-type": "application/json" },
        body: '{ "about": { "text": "a cat" }, "previews": 1 }',
      });
      const text = await response.text();
      expect(text).to.match(/^event: begin\ndata: \{"model":"cat-1"\}\n\ndata: \{"preview":/);
      expect(text).to.match(/data: \{"ok":false,"why":"[^"]+","code":"\w+"\}\n\n$/);
    } finally {
      await house.close();
    }
  });

  it("answers in OpenAI's shape where it says nothing of errors, or cannot say this one", async () => {
    const mute = "description: x\nroutes: { GET /mute: { page: 1 } }\n";
    const lame = `${mute}errors: { body: "\${error.status + []}" }\n`;
    for (const text of [mute, lame]) {
      const house = await houseWithDoor(text, (_, response) => reply(response, {}));
      try {
        const { status, json } = await call(house, "/mute");
        expect([status, (json.error as { code: string }).code]).to.deep.equal([401, "invalid_api_key"]);
      } finally {
        await house.close();
      }
    }
  });

  it("has pictures made as a job, and shows it", async () => {
    const house = await startDurableHouse({ "acme.yaml": channel }, { choices: createChoices() });
    const { doors } = await doorsOf({ "doors/sketch": sketch });
    openDoors(house.gateway, doors);
    const content = solidPng(8, 8).toString("base64");
    house.handler = ({ body }, response) =>
      body.includes("a cat") ? reply(response, { data: [{ b64_json: content }] }) : reply(response, { error: { message: "no" } }, 400);
    try {
      const made = await call(house, "/sketch?Action=Order", { model: "cat-1", about: { text: "a cat" } });
      expect([made.status, made.json.ok, made.json.state]).to.deep.equal([200, true, "queued"]);
      const { ticket } = made.json;
      let shown = made.json;
      await until(async () => (shown = (await call(house, "/sketch?Action=Fetch", { ticket })).json).state === "completed", "it is made");
      expect(shown.pictures).to.have.length(1);
      const [picture] = shown.pictures as { content: string; link: string }[];
      expect(picture?.content).to.equal(content);
      expect(picture?.link).to.match(/^http.*\/images\//);
      const failed = await call(house, "/sketch?Action=Order", { model: "cat-1", about: { text: "a dog" } });
      await until(
        async () => (shown = (await call(house, "/sketch?Action=Fetch", { ticket: failed.json.ticket })).json).state === "failed",
        "it fails",
      );
      expect(shown.why).to.equal("no");
      const { status, json } = await call({ ...house, key: "sk-other" }, "/sketch?Action=Fetch", { ticket });
      expect([status, json.code]).to.deep.equal([404, "not_found"]);
      expect((await call(house, "/sketch?Action=Fetch", {})).status).to.equal(404);
    } finally {
      await house.close();
    }
  });

  it("leaves a mask as it is whose mark is transparency, and refuses a mark that there is not", async () => {
    const text = `
description: x
key: [{ header: x-sketch-key }]
routes:
  POST /mark:
    operation: edit
    request: { model: cat-1, prompt: a cat, images: "\${body.image}", mask: "\${body.mask}" }
    mask: \${body.mark}
    answer: { size: "\${result.pictures.size()}" }
`;
    const [image, mask] = [solidPng(8, 8).toString("base64"), halfClearPng(8, 8).toString("base64")];
    let sent = "";
    const house = await houseWithDoor(text, ({ body }, response) => {
      sent = body;
      reply(response, { data: [{ b64_json: image }] });
    });
    try {
      for (const more of [{}, { mark: "alpha" }]) {
        expect((await call(house, "/mark", { image, mask, ...more })).json).to.deep.equal({ size: 1 });
        expect((JSON.parse(sent) as { mask: string }).mask).to.equal(`data:image/png;base64,${mask}`);
      }
      const { status, json } = await call(house, "/mark", { image, mask, mark: "grey" });
      expect([status, json.error]).to.deep.equal([
        400,
        {
          message: 'what may change in a mask is marked by alpha or white or black, not by "grey"',
          type: "invalid_request_error",
          param: "mask",
          code: "invalid_value",
        },
      ]);
    } finally {
      await house.close();
    }
  });

  it("is found by the first segment of a path, in either case, also where that is a parameter, beside other doors", async () => {
    const house = await houseWithDoor(sketch, (_, response) => reply(response, {}));
    try {
      const { doors, problems } = await doorsOf({
        "doors/a": "description: a\nroutes: { GET /Rooms/x: { page: 1 }, 'GET /{room}/light/on': { page: '${path.room}' } }\n",
        "doors/b": "description: b\nroutes: { 'GET /lamps/{lamp}/off/now': { page: '${path.lamp}' }, PUT /Rooms/x: { page: 5 } }\n",
      });
      expect(problems).to.deep.equal([]);
      openDoors(house.gateway, doors);
      const page = async (method: string, path: string) => {
        const response = await fetch(house.url + path, { method, headers: { authorization: `Bearer ${house.key}` } });
        return response.ok ? response.json() : [response.status, response.headers.get("allow")];
      };
      expect(await page("GET", "/rooms/X/")).to.equal(1);
      expect(await page("GET", "/rooms/light/on")).to.equal("rooms");
      expect(await page("GET", "/attic/light/on")).to.equal("attic");
      expect(await page("GET", "/lamps/l1/off/now")).to.equal("l1");
      expect(await page("DELETE", "/attic/light/on")).to.deep.equal([405, "GET"]);
      expect(await page("GET", "/attic/light/off")).to.deep.equal([404, null]);
    } finally {
      await house.close();
    }
  });

  it("says to a client which field it cannot read, and to the operator in which expression", async () => {
    const text = `description: x
routes:
  POST /sum: { operation: generate, request: { prompt: "\${string(int(body.a) + int(body.b.?c.orValue(0)))}" }, answer: 1 }
  POST /part/{name}: { operation: generate, request: { prompt: "\${path.name.substring(7)}" }, answer: 1 }
  POST /whole: { operation: generate, request: { prompt: "\${body + 1}" }, answer: 1 }
  PUT /json: { page: 1, keep: { mood: "\${json(body.mood)}" } }
`;
    const house = await houseWithDoor(text, (_, response) => reply(response, {}));
    const wrong = async (method: string, path: string, body: object) => {
      house.reset();
      const headers = { authorization: `Bearer ${house.key}`, "content-type": "application/json" };
      const response = await fetch(house.url + path, { method, headers, body: JSON.stringify(body) });
      const { error } = (await response.json()) as { error: { message: string; param: string | null } };
      expect(response.status).to.equal(400);
      expect(error.message).not.to.match(/[$]|substring|int\(/);
      const logged = house.log.find(({ expression }) => expression !== undefined);
      return [error.message, error.param, logged?.expression, logged?.request === response.headers.get("x-request-id")];
    };
    const end = "cannot be read: it is not, or does not hold, what this API has there";
    const sum = "${string(int(body.a) + int(body.b.?c.orValue(0)))}";
    try {
      const told = await wrong("POST", "/sum", { a: "many" });
      expect(told).to.deep.equal([`a ${end}`, "a", `${sum}: int() type error: cannot convert to int`, true]);
      expect((await wrong("POST", "/sum", { a: "many", b: { c: 1 } })).slice(0, 2)).to.deep.equal([`a or b.c ${end}`, null]);
      expect((await wrong("POST", "/part/x", {})).slice(0, 2)).to.deep.equal([`name in the path ${end}`, "name"]);
      expect((await wrong("POST", "/whole", { text: 1 })).slice(0, 2)).to.deep.equal([`the request ${end}`, null]);
      expect((await wrong("PUT", "/json", { mood: "my secret {" })).slice(0, 2)).to.deep.equal([`mood ${end}`, "mood"]);
      expect(JSON.stringify(house.log)).not.to.include("secret");
    } finally {
      await house.close();
    }
  });

  it("keeps no choice that is longer than a name", async () => {
    const house = await houseWithDoor(sketch, (_, response) => reply(response, {}));
    try {
      const response = await fetch(`${house.url}/sketch/choice`, {
        method: "PUT",
        headers: { "x-sketch-key": house.key, "content-type": "application/json" },
        body: JSON.stringify({ mood: "x".repeat(1000) }),
      });
      expect(response.status).to.equal(400);
      expect(await response.json()).to.include({ code: "string_above_max_length", field: "mood" });
      expect((await call(house, "/sketch/choice")).json).to.deep.equal({});
    } finally {
      await house.close();
    }
  });
});
