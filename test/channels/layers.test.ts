import { eachIsTold } from "./mistakes.ts";

const model = JSON.stringify({
  type: "object",
  allOf: [{ $ref: "common.json" }],
  "x-operations": ["generate", "edit"],
  unevaluatedProperties: false,
});
const schema = { "models/m.json": model };
/** Models that take a prompt, and need one. */
const prompted = JSON.stringify({ ...(JSON.parse(model) as object), required: ["model", "prompt"] });
const unsent = "no prompt is sent for";
const wanted = "every request of a client has one; put ${request.prompt} where the provider reads it";
const lost = "null takes away a line from what lies below, and nothing is there";
const hint = "write $drop where a request is to go without a key, ${null} for a null that is sent";
const result = "  result:\n    images: ${body.data}\n    url: ${image.url}\n";

describe("mistakes in what is laid over another", () => {
  eachIsTold([
    {
      name: "an edit like a generation that is not there",
      files: {
        ...schema,
        "x.yaml": "base_url: https://a.b\nmodels:\n  m:\nedit:\n  like: generate\n  request: { post: /edit }\n" + result,
      },
      expected: ["channels/x.yaml:5:9: edit.like: there is no generate to be like; write the request here"],
    },
    {
      name: "an edit like something else",
      change: ["generate:\n", "edit:\n  like: edits\ngenerate:\n"],
      expected: ['channels/x.yaml:8:9: edit.like: unknown value "edits" (known: generate)'],
    },
    {
      name: "a generation like an edit",
      change: ["generate:\n", "generate:\n  like: edit\n"],
      expected: ['channels/x.yaml:8:3: generate: unknown key "like" (known: before, request, success, poll, cancel, result, stream)'],
    },
    {
      name: "a mistake in what an edit has from the generation, once, where it stands",
      files: schema,
      change: [
        "n: ${request.n}\n" + result,
        "n: ${request.m}\n" + result + "edit: { like: generate, request: { json: { k: '${request.k}' } } }\n",
      ],
      expected: [
        "channels/x.yaml:12:20: generate.request.json: request.m is unknown to m (schema m); did you mean n?",
        "channels/x.yaml:16:58: edit.request.json: request.k is unknown to m (schema m); did you mean n?",
      ],
    },
    {
      name: "a mistake in what is laid over merged objects, where it stands",
      files: schema,
      change: [
        "    json:\n      prompt: ${request.prompt}\n      n: ${request.n}\n" + result,
        "    json: { $merge: ['${request}', { b: '${request.b}' }] }\n" +
          result +
          "edit: { like: generate, request: { json: { k: '${request.k}' } } }\n",
      ],
      expected: [
        "channels/x.yaml:10:52: generate.request.json: request.b is unknown to m (schema m); did you mean n?",
        "channels/x.yaml:14:58: edit.request.json: request.k is unknown to m (schema m); did you mean n?",
      ],
    },
    {
      name: "a model whose own body sends no prompt",
      files: { "models/m.json": prompted },
      change: ["  m:\n", "  m: { generate: { request: { json: { $replace: true, n: '${request.n}' } } } }\n"],
      expected: [`channels/x.yaml:4:37: generate.request.json: ${unsent} m (schema m); ${wanted}`],
    },
    {
      name: "a model that takes the body away, or the prompt in it",
      files: { "models/m.json": prompted },
      change: [
        "  m:\n",
        "  m: { generate: { request: { json: null } } }\n  a: { schema: m, generate: { request: { json: { prompt: null } } } }\n",
      ],
      expected: [
        `channels/x.yaml:4:29: generate.request: ${unsent} m (schema m); ${wanted}`,
        `channels/x.yaml:5:48: generate.request.json: ${unsent} a (schema m); ${wanted}`,
      ],
    },
    {
      name: "operations that send no prompt, once for all models",
      files: { "models/m.json": prompted },
      change: [
        "  m:\n",
        "  m:\n  b: { schema: m }\nedit: { request: { post: /e, json: { $json: '${request.n}' } }, result: { images: '${body}', url: '${image}' } }\n",
      ],
      expected: [`channels/x.yaml:6:36: edit.request.json: ${unsent} m (schema m) and 1 more; ${wanted}`],
    },
    {
      name: "no mistake: a prompt that goes with the whole request or in the address, or that no request need have",
      files: { "models/m.json": prompted, "models/free.json": model },
      change: [
        "  m:\n",
        "  m: { generate: { request: { json: { $replace: true, $merge: ['${request}'] } } } }\n" +
          "  a: { schema: m, generate: { request: { post: '/${request.prompt}', json: null } } }\n" +
          "  b: { schema: free, generate: { request: { json: null } } }\n",
      ],
      expected: [],
    },
    {
      name: "a null that takes nothing away",
      change: ["n: ${request.n}", "n: null"],
      expected: [`channels/x.yaml:12:10: generate.request.json: ${lost}; ${hint}`],
    },
    {
      name: "a null of a model that takes nothing away",
      change: ["  m:\n", "  m: { generate: { request: { json: { m: null } } } }\n"],
      expected: [`channels/x.yaml:4:42: generate.request.json: ${lost}; ${hint}`],
    },
    {
      name: "a null in a list, and in what is laid over when the request is made",
      change: ["n: ${request.n}", "n: [null]\n      m: { $merge: [{ a: 1 }, { a: null }] }"],
      expected: [
        `channels/x.yaml:12:11: generate.request.json: ${lost}; ${hint}`,
        `channels/x.yaml:13:36: generate.request.json: ${lost}; ${hint}`,
      ],
    },
    {
      name: "$replace where nothing lies below",
      change: ["n: ${request.n}", "n: { $replace: true, m: 1 }"],
      expected: [
        "channels/x.yaml:12:22: generate.request.json: $replace: true takes the place of a map that lies below, and there is none; leave it out",
      ],
    },
    {
      name: "$replace with another value",
      change: ["  m:\n", "  m: { generate: { $replace: no } }\n"],
      expected: ['channels/x.yaml:4:30: models.m.generate.$replace: unknown value "no" (known: true)'],
    },
    {
      name: "a change of an unknown step",
      change: ["  m:\n", "  m: { plugins: { size-mpa: { multiple_of: 8 } } }\n"],
      expected: ['channels/x.yaml:4:19: models.m.plugins: unknown plugin "size-mpa" (did you mean size-map?)'],
    },
    {
      name: "a step that is not there to be taken away",
      change: ["  m:\n", "  m: { plugins: { rehost: null } }\n"],
      expected: ["channels/x.yaml:4:27: plugins: there is no step rehost below to take away (known: size-map)"],
    },
    {
      name: "a change of an option that is wrong",
      change: ["  m:\n", "  m: { plugins: { size-map: { multiple_of: eight, otherwse: keep } } }\n"],
      expected: [
        'channels/x.yaml:4:44: size-map.multiple_of: must be a whole number, not "eight"',
        'channels/x.yaml:4:51: size-map: unknown option "otherwse" (did you mean otherwise?)',
      ],
    },
    {
      name: "a change of a step that stands twice",
      change: ["  m:\nplugins:\n", "  m: { plugins: { size-map: { max_side: 8 } } }\nplugins:\n  - size-map: { max_side: 8 }\n"],
      expected: ["channels/x.yaml:4:29: plugins: size-map stands twice in the list below; write the whole list here"],
    },
  ]);
});
