// Bodies that cost more to look at than they cost to send, and what everybody else notices of them.
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { longestTurn, stopwatch, watchTurns } from "../helpers/turns.ts";
import { startHouse, type House } from "./setup.ts";

const base64 = solidPng(8, 8).toString("base64");
/** Long enough to be lifted out of JSON. */
const long = Buffer.concat([solidPng(8, 8), Buffer.alloc(70_000)]).toString("base64");

const json = (fields: string) => Buffer.from(`{"model":"acme/open","prompt":"x",${fields}}`);
const list = (item: string, times: number) => `[${Array.from({ length: times }, () => item).join()}]`;
const part = (name: string, content: string) => `--x\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
const form = (...parts: string[]) => Buffer.from(`${part("model", "acme/open")}${part("prompt", "x")}${parts.join("")}--x--`);

const bodies: Record<string, [body: Buffer, status: number]> = {
  "300,000 images that are numbers": [json(`"images":${list("1", 300_000)}`), 400],
  "9,000 images that are numbers": [json(`"images":${list("1", 9_000)}`), 400],
  "200,000 images that are empty": [json(`"image":${list('""', 200_000)}`), 400],
  "9,000 names in a style": [json(`"style":{${Array.from({ length: 9_000 }, (_, at) => `"n${at}":1`).join()}}`), 200],
  "200 fields that nobody knows": [json(Array.from({ length: 190 }, (_, at) => `"n${at}":1`).join()), 200],
  "300,000 images beside one that is long": [json(`"image":"${long}","images":${list("1", 300_000)}`), 400],
  "200 images that are long": [json(`"images":${list(`"${long}"`, 200)}`), 400],
  "10,000 short images": [json(`"images":${list(`"${base64}"`, 10_000)}`), 400],
  "lists in lists without end": [json(`"style":${"[".repeat(300_000)}${"]".repeat(300_000)}`), 400],
  "100,000 lists in a style": [json(`"style":{"a":${list("[]", 100_000)}}`), 400],
  "a style of 60,000 names": [json(`"style":{${Array.from({ length: 60_000 }, (_, at) => `"n${at}":1`).join()}}`), 400],
  "60,000 fields that nobody knows": [json(Array.from({ length: 60_000 }, (_, at) => `"n${at}":1`).join()), 400],
  "nothing but quotes": [json(`"style":{"a":${list('""', 300_000)}}`), 400],
  "nothing but escapes": [json(`"style":"${"\\u0041".repeat(150_000)}"`), 200],
  "a form with 300,000 images in a text": [form(part("image", list("1", 300_000))), 400],
  "a form with 300,000 numbers in its style": [form(part("style", `{"a":${list("1", 300_000)}}`)), 400],
  "a form with a name of many brackets": [form(...Array.from({ length: 100 }, () => part(`style${"[a]".repeat(65)}`, ""))), 400],
  "a form of 600 KB of line breaks": [form(part("style", "\r\n--".repeat(150_000))), 200],
  "a form of 600 KB of quoted-printable": [
    form(part("style", "=\r\n".repeat(200_000)).replace("\r\n\r\n", "\r\ncontent-transfer-encoding: quoted-printable\r\n\r\n")),
    200,
  ],
  "a form with 60 KB of parameters in its head": [form(`--x\r\ncontent-disposition: form-data${"; a=b".repeat(15_000)}\r\n\r\n\r\n`), 400],
  "a form with 16 KB of quotes in its head": [form(`--x\r\ncontent-disposition: form-data; name="${'\\"'.repeat(7_500)}\r\n\r\n\r\n`), 400],
  "a form with 16 KB of folded lines in its head": [
    form(`--x\r\ncontent-disposition: form-data;${"\r\n ".repeat(5_000)}name=a\r\n\r\n\r\n`),
    200,
  ],
  "a form of 100,000 parts": [form(...Array.from({ length: 10_000 }, () => part("a[]", ""))), 400],
};

describe("http: a body that is expensive to look at", function () {
  // A collection of garbage may fall into the longest turn.
  this.retries(3);
  let house: House;
  before(async () => {
    house = await startHouse();
  });
  after(() => house.close());

  for (const [what, [body, status]] of Object.entries(bodies))
    it(`does not keep others waiting: ${what}`, async () => {
      const type = body.subarray(0, 2).toString() === "--" ? "multipart/form-data; boundary=x" : "application/json";
      const took = stopwatch();
      const turns = watchTurns();
      const response = await fetch(`${house.url}/v1/images/generations`, {
        method: "POST",
        body: new Uint8Array(body),
        headers: { authorization: `Bearer ${house.key}`, "content-type": type },
      });
      const told = await response.text();
      turns.stop();
      expect(response.status, told.slice(0, 500)).to.equal(status);
      expect(told.length).to.be.lessThan(20_000);
      expect(turns.longest(), "milliseconds that nobody else had a turn").to.be.lessThan(longestTurn);
      expect(took()).to.be.lessThan(5000);
    });
});
