import { expect } from "chai";
import { textsOf } from "../../src/channels/texts.ts";
import type { ConfigError } from "../../src/errors.ts";
import { openDoorBench } from "../../src/testing/doors.ts";
import { plugins } from "../helpers/channels.ts";
import { doorsOf } from "./house.ts";

const page = "description: x\nroutes:\n";

describe("the files of doors", () => {
  for (const [sentence, text, place, message] of [
    ["an unknown key", `${page}  GET /a: { pages: 1 }\n`, "3:13", 'routes.GET /a: unknown key "pages" (did you mean page?)'],
    ["a route without an address", `${page}  /a: { page: 1 }\n`, "3:3", /"\/a" is no method with a path; write it as POST/],
    ["a name that nothing has", `${page}  GET /a: { page: "\${boddy.x}" }\n`, "3:22", /unknown name boddy \(did you mean body/],
    ["a route that is neither", `${page}  GET /a: { operation: generate }\n`, "3:11", /answer is missing; a route has page, or operation/],
    ["a page that draws", `${page}  GET /a: { page: 1, answer: 2 }\n`, "3:30", /a page has no answer/],
    [
      "a choice of a route that draws",
      `${page}  POST /a: { operation: edit, request: {}, answer: 1, keep: {} }\n`,
      "3:61",
      /keep belongs to a page/,
    ],
    [
      "a stream without events",
      `${page}  POST /a: { operation: edit, request: {}, answer: 1, stream: true }\n`,
      "3:63",
      /a stream needs events/,
    ],
    [
      "a mark of masks that there is not",
      `${page}  POST /a: { operation: edit, request: {}, answer: 1, mask: grey }\n`,
      "3:61",
      /alpha, white, black/,
    ],
    [
      "an event without data",
      `${page}  POST /a: { operation: edit, request: {}, answer: 1, events: { end: [{ event: x }] } }\n`,
      "3:71",
      /an event is \{ data: \.\.\. \}/,
    ],
    ["a place of no key", `${page}  GET /a: { page: 1 }\nkey: [{ match: x }]\n`, "4:7", /one header, or one parameter of the query/],
    ["a pattern that is none", `${page}  GET /a: { page: 1 }\nkey: [{ header: x, match: "(" }]\n`, "4:28", /no regular expression/],
    ["an address of the gateway's own", `${page}  GET /v1/models/{model}: { page: 1 }\n`, "3:3", /is served by the gateway itself already/],
    ["an address that takes the gateway's own in", `${page}  GET /{all...}: { page: 1 }\n`, "3:3", /is served by the gateway itself/],
    ["an address of the operator's", `${page}  GET /admin/x: { page: 1 }\n`, "3:3", /is served by the gateway itself/],
    [
      "an address that stands twice",
      `${page}  GET /a/{b}: { page: 1 }\n  GET /a/c: { page: 1 }\n`,
      "4:3",
      /served by another route of this door/,
    ],
  ] as const) {
    it(`with ${sentence} are told with their place`, async () => {
      const { doors, problems, broken } = await doorsOf({ "doors/x": text });
      expect(doors).to.deep.equal([]);
      expect(broken).to.deep.equal(["x"]);
      const [problem] = problems;
      expect(problem?.file).to.match(/doors\/x\.yaml$/);
      expect(`${problem?.line}:${problem?.column}`, problem?.message).to.equal(place);
      if (typeof message === "string") expect(problem?.message).to.equal(message);
      else expect(problem?.message).to.match(message);
    });
  }

  it("share no address, unless one of them is closed, or the query tells them apart", async () => {
    const a = `${page}  POST /a?Do=this: { page: 1 }\n  POST /a?Do=that: { page: 2 }\n`;
    const clash = await doorsOf({ "doors/a": a, "doors/b": `${page}  POST /a: { page: 1 }\n` });
    expect(clash.broken).to.deep.equal(["b"]);
    expect(clash.problems[0]?.message).to.equal("routes: POST /a is served by the door a already");
    const closed = await doorsOf({ "doors/a": `enabled: false\n${a}`, "doors/b": `${page}  POST /a: { page: 1 }\n` });
    expect(closed.problems).to.deep.equal([]);
    expect(closed.doors.map(({ isOpen }) => isOpen)).to.deep.equal([false, true]);
  });

  it("have any name, also one that means something else in a pattern", async () => {
    const files = { "doors/a+b.yaml": page, "doors/aab.yaml": page, "doors/c.yaml": `${page}  GET /c: { page: 1 }\n` };
    const texts = textsOf(new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])));
    const problemsOf = async (only: string[]) => {
      try {
        await (await openDoorBench(texts, plugins, only)).close();
        return [];
      } catch (error) {
        return (error as ConfigError).problems.map(({ file }) => file.replace(/.*doors./, ""));
      }
    };
    expect(await problemsOf(["a+b"])).to.deep.equal(["a+b.yaml"]);
    expect(await problemsOf(["a.b", "b", "(", "c"])).to.deep.equal([]);
  });

  it("have tests of their own, which are judged too", async () => {
    const good = `${page}  GET /a: { page: 1 }\n`;
    const tests = "tests:\n  - name: x\n    client: { get: /a }\n    answer: { state: 200 }\n";
    const { problems } = await doorsOf({ "doors/a": good, "tests/doors/a": tests, "tests/doors/b": tests });
    expect(problems.map(({ message }) => message)).to.deep.equal([
      "tests.answer: status is missing",
      'tests.answer: unknown key "state" (known: status, headers, json, events)',
      "there is no door b for these tests (did you mean a?)",
    ]);
  });
});
