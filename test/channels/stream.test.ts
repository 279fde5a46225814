import { eachIsTold } from "./mistakes.ts";

const result = "  result:\n    images: ${body.data}\n";
const stream = (text: string): [string, string] => [result, `  stream: ${text}\n${result}`];
const picture = 'result: { when: event == "done", url: "${image.url}" }';

describe("mistakes in a channel's stream", () => {
  eachIsTold([
    { name: "none", change: stream(`{ request: { json: { stream: true } }, ${picture} }`), expected: [] },
    {
      name: "no result",
      change: stream("{ request: { json: { stream: true } } }"),
      expected: ["channels/x.yaml:13:11: generate.stream: result is missing, where an event has the finished picture"],
    },
    {
      name: "events that are not told apart",
      change: stream('{ result: { url: "${image.url}" } }'),
      expected: ['channels/x.yaml:13:21: generate.stream.result: when is missing, which events are meant: when: event == "done"'],
    },
    {
      name: "a body of another kind than the submission's",
      change: stream(`{ request: { form: { stream: "true" } }, ${picture} }`),
      expected: ["channels/x.yaml:13:30: generate.stream.request: the call that this is laid over has no form"],
    },
    {
      name: "a header that HTTP does not know",
      change: stream(`{ request: { headers: { "a b": c } }, ${picture} }`),
      expected: ['channels/x.yaml:13:42: generate.stream.request: Header name must be a valid HTTP token ["a b"]'],
    },
    {
      name: "a call of its own",
      change: stream(`{ request: { post: /x }, ${picture} }`),
      expected: ['channels/x.yaml:13:24: generate.stream.request: unknown key "post" (known: query, headers, json, multipart, form)'],
    },
  ]);
});
