// The provider for machines without a C compiler; it does what native/stub.c does.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

const [port, ...specs] = process.argv.slice(2);
const answers = specs.map((spec) => {
  const [name = "", milliseconds, type = "", file = ""] = spec.split(":");
  return { name, milliseconds: Number(milliseconds), type, body: readFileSync(file) };
});
let received = 0;

createServer((request, response) => {
  void (async () => {
    const body = await buffer(request);
    if (request.url === "/received") return response.end(String(received));
    if (body.length > 0) received = body.length;
    const text = body.toString("latin1", 0, 8192);
    const answer = answers.find(({ name }) => request.url?.endsWith(`/${name}`) || text.includes(`"${name}"`));
    if (!answer) return response.destroy();
    if (answer.milliseconds > 0) await delay(answer.milliseconds);
    return response.writeHead(200, { "content-type": answer.type, "content-length": answer.body.length }).end(answer.body);
  })().catch(() => response.destroy());
}).listen(Number(port), "127.0.0.1", 4096);
