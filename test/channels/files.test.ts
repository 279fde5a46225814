import { channel, eachIsTold } from "./mistakes.ts";

const bomb = `a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
`;
const extending = "extends: one\nbase_url: https://a.b\nmodels:\n  m:\n";

describe("mistakes in files", () => {
  eachIsTold([
    {
      name: "an empty file",
      files: { "x.yaml": "" },
      expected: ["channels/x.yaml:1:1: the file is empty; write keys and values, such as description: ..."],
    },
    {
      name: "a file of comments",
      files: { "x.yaml": "# nothing yet\n" },
      expected: ["channels/x.yaml:1:1: the file is empty; write keys and values, such as description: ..."],
    },
    {
      name: "a list at the top",
      files: { "x.yaml": "- base_url: https://a.b\n" },
      expected: ["channels/x.yaml:1:1: the file is not a map; write keys and values, such as description: ..."],
    },
    {
      name: "a text at the top",
      files: { "x.yaml": "hello\n" },
      expected: ["channels/x.yaml:1:1: the file is not a map; write keys and values, such as description: ..."],
    },
    { name: "a tab", change: ["  m:", "\tm:"], expected: ["channels/x.yaml:4:1: yaml: a tab cannot indent; use spaces"] },
    {
      name: "a key twice",
      change: ["generate:", "models: {}\ngenerate:"],
      expected: ["channels/x.yaml:7:1: the key models stands here a second time; keep one"],
    },
    {
      name: "a quote that is not closed",
      change: ["/images", "'/images"],
      expected: ["channels/x.yaml:16:1: yaml: missing closing 'quote"],
    },
    {
      name: "a brace that is not closed",
      change: ["16 }", "16"],
      expected: ["channels/x.yaml:7:1: yaml: flow map in block collection must be sufficiently indented and end with a }"],
    },
    {
      name: "two documents",
      change: ["models:", "---\nmodels:"],
      expected: ["channels/x.yaml:3:1: yaml: one file holds one channel; take out the line ---"],
    },
    {
      name: "a tag",
      change: ["/images", "!path /images"],
      expected: ["channels/x.yaml:9:11: yaml: unknown tag !path; put a text that begins with ! in quotes"],
    },
    {
      name: "an alias without an anchor",
      change: ["/images", "*path"],
      expected: ["channels/x.yaml:9:11: yaml: there is no anchor &path before the alias *path"],
    },
    {
      name: "an alias whose name has a no-break space in it",
      change: ["/images", "*pa\u00a0th"],
      expected: ["channels/x.yaml:9:11: yaml: there is no anchor &pa\u00a0th before the alias *pa\u00a0th"],
    },
    {
      name: "an alias inside its anchor",
      change: ["json:\n", "json: &body\n      all: *body\n"],
      expected: ["channels/x.yaml:11:12: yaml: an alias stands inside its own anchor"],
    },
    {
      name: "an alias bomb",
      files: { "x.yaml": bomb },
      expected: ["channels/x.yaml:2:8: yaml: the aliases make the file too large; write fewer of them"],
    },
    {
      name: "a byte order mark and a mistake in the first line",
      files: { "x.yaml": `\ufeffbase_url: api.example.com\n${channel.split("\n").slice(1).join("\n")}` },
      expected: ["channels/x.yaml:1:11: base_url: not an address; write https://host/path"],
    },
    {
      name: "line ends of another system",
      files: { "x.yaml": channel.replace("request.n}", "request.nn}").replaceAll("\n", "\r\n") },
      expected: ["channels/x.yaml:12:20: generate.request.json: request.nn is unknown to m (schema m); did you mean n?"],
    },
    {
      name: "a mistake far to the right",
      change: ["/images", `/${"a".repeat(200)}/\${request.promt}`],
      expected: ["channels/x.yaml:9:223: generate.request.post: request.promt is unknown to m (schema m); did you mean prompt?"],
    },
    {
      name: "a folder that is named like a file",
      files: { "x.yaml/readme": "" },
      expected: ["channels/x.yaml:1:1: cannot be read: EISDIR: illegal operation on a directory, read"],
    },
    {
      name: "two files of one name",
      files: { "x.yaml": channel, "x.yml": channel },
      expected: ["channels/x.yml:1:1: there is channels/x.yaml too, and a name is used once; rename one of them"],
    },
    {
      name: "mistakes in several files, in order",
      files: { "b.yaml": "", "a.yaml": channel.replace("16", "0"), "models/m.json": "{" },
      expected: [
        "channels/a.yaml:6:30: size-map.multiple_of: must be >= 1, not 0",
        "channels/b.yaml:1:1: the file is empty; write keys and values, such as description: ...",
        "channels/models/m.json:1:2: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "an unknown preset",
      files: { "x.yaml": extending, "presets/ones.yaml": "partial: keep\n" },
      expected: ["channels/x.yaml:1:10: extends: unknown preset one (did you mean ones?)"],
    },
    {
      name: "a preset that is no text",
      files: { "x.yaml": extending.replace("one", "[one]") },
      expected: ['channels/x.yaml:1:10: extends: unknown preset ["one"] (nothing is known here)'],
    },
    {
      name: "presets in a circle",
      files: { "x.yaml": extending, "presets/one.yaml": "extends: two\n", "presets/two.yaml": "extends: one\n" },
      expected: ["channels/presets/two.yaml:1:10: extends: one -> two -> one goes round in a circle; take one of them out"],
    },
    {
      name: "a preset that cannot be read",
      files: { "x.yaml": extending, "presets/one.yaml": "a: [\n" },
      expected: ["channels/presets/one.yaml:2:1: yaml: flow sequence in block collection must be sufficiently indented and end with a ]"],
    },
    {
      name: "a mistake in a preset of two channels, told in its own file and once",
      files: {
        "x.yaml": extending,
        "y.yaml": extending,
        "presets/one.yaml":
          'generate:\n  request:\n    post: /a\n    json: { p: "${request.promt}" }\n  result: { images: "${body}", url: "${image}" }\n',
      },
      expected: ["channels/presets/one.yaml:4:27: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?"],
    },
    {
      name: "a mistake in a template of several models that take different fields, told once with the first of them",
      files: {
        "x.yaml": channel.replace("  m:\n", "  m:\n  a: { schema: m }\n  b: { schema: wide }\n").replace("request.n}", "request.nn}"),
        "models/wide.json": JSON.stringify({
          type: "object",
          allOf: [{ $ref: "common.json" }],
          properties: { ns: {} },
          unevaluatedProperties: false,
        }),
      },
      expected: ["channels/x.yaml:14:20: generate.request.json: request.nn is unknown to m (schema m) and 2 more; did you mean n?"],
    },
    {
      name: "a mistake laid over a preset, told where it was laid",
      files: {
        "x.yaml": `${extending}generate: { request: { json: { p: "\${request.promt}" } } }\nplugins: [size-map: { multipel_of: 1 }]\n`,
        "presets/one.yaml":
          'plugins:\n  - inspect\ngenerate:\n  request:\n    post: /a\n    json: { p: "${request.promtp}" }\n  result: { images: "${body}", url: "${image}" }\n',
      },
      expected: [
        "channels/x.yaml:5:46: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
        'channels/x.yaml:6:23: size-map: unknown option "multipel_of" (did you mean multiple_of?)',
      ],
    },
  ]);
});

describe("mistakes in models' schemas", () => {
  const files = (text: string) => ({ "x.yaml": channel, "models/m.json": text });
  eachIsTold([
    {
      name: "no schema for a model",
      change: ["  m:", "  mm:"],
      expected: ["channels/x.yaml:4:3: models: there is no schema models/mm.json (did you mean m?)"],
    },
    {
      name: "a schema named that there is not",
      change: ["  m:", "  a: { schema: nn }"],
      expected: ["channels/x.yaml:4:16: models: there is no schema models/nn.json (known: m)"],
    },
    {
      name: "a schema that cannot be read, told once and not at the channel",
      files: files('{\n  "type": "object",\n}'),
      expected: [
        "channels/models/m.json:2:19: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "a schema with a comment",
      files: files('{\n  // what it is\n  "type": "object"\n}'),
      expected: [
        "channels/models/m.json:2:3: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "a schema in single quotes",
      files: files("{\n  'type': \"object\"\n}"),
      expected: [
        "channels/models/m.json:2:3: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "a schema that lacks a comma",
      files: files('{\n  "type": "object"\n  "title": "m"\n}'),
      expected: [
        "channels/models/m.json:3:3: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "a schema that ends early",
      files: files('{\n  "type": "object"\n'),
      expected: [
        "channels/models/m.json:3:1: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "an empty schema",
      files: files(""),
      expected: [
        "channels/models/m.json:1:1: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "a schema that is a list",
      files: files("[]"),
      expected: ["channels/models/m.json:1:1: the file is not a map; write keys and values, such as description: ..."],
    },
    {
      name: "a key of a schema twice",
      files: files('{\n  "type": "object",\n  "type": "object"\n}'),
      expected: ['channels/models/m.json:3:3: the key "type" stands here a second time; keep one'],
    },
    {
      name: "a keyword that there is not",
      files: files('{\n  "type": "object",\n  "properties": { "n": { "maxium": 4 } }\n}'),
      expected: ['channels/models/m.json:3:36: schema of m: strict mode: unknown keyword: "maxium"'],
    },
    {
      name: "a keyword of the wrong type",
      files: files('{\n  "type": "object",\n  "properties": { "n": { "maximum": "4" } }\n}'),
      expected: ["channels/models/m.json:3:38: schema of m: /properties/n/maximum must be number"],
    },
    {
      name: "a reference to nothing",
      files: files('{\n  "type": "object",\n  "allOf": [{ "$ref": "comon.json" }]\n}'),
      expected: ["channels/models/m.json:3:24: schema of m: can't resolve reference comon.json from id #"],
    },
    {
      name: "sizes that are none",
      files: files('{\n  "type": "object",\n  "properties": { "size": { "type": "string", "x-size": { "one_of": ["1024*1024"] } } }\n}'),
      expected: ['channels/models/m.json:3:71: schema of m: x-size: "1024*1024" is spelled 1024x1024'],
    },
    {
      name: "a pattern that could blow up",
      files: files('{\n  "type": "object",\n  "properties": { "user": { "type": "string", "pattern": "(?=a)" } }\n}'),
      expected: [
        'channels/models/m.json:3:59: schema of m: pattern "(?=a)" is not one that RE2 understands: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
      ],
    },
    {
      name: "a broken common schema, told once",
      files: { "x.yaml": channel, "models/common.json": '{ "$id": "common.json", "type": "objekt" }' },
      expected: [
        "channels/models/common.json:1:1: schema is invalid: data/type must be equal to one of the allowed values, data/type must be array, data/type must match a schema in anyOf",
      ],
    },
    {
      name: "a common schema that cannot be read, told once",
      files: { "x.yaml": channel, "models/common.json": "{" },
      expected: [
        "channels/models/common.json:1:2: not JSON from here on; keys and texts are in double quotes, no comma is last, and there are no comments",
      ],
    },
    {
      name: "two channels that disagree on a model's schema",
      files: {
        "x.yaml": channel,
        "y.yaml": channel.replace("  m:", "  m: { schema: other }"),
        "models/other.json": '{ "type": "object", "properties": { "prompt": {}, "n": {} } }',
      },
      expected: ["channels/y.yaml:4:16: models: m has schema other here and m in channel x; one model has one schema"],
    },
  ]);
});
