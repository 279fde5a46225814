import { eachIsTold } from "./mistakes.ts";

const prompt = "prompt: ${request.prompt}";

describe("mistakes in expressions", () => {
  eachIsTold([
    {
      name: "an unknown field of the request",
      change: [prompt, "prompt: ${request.promt}"],
      expected: ["channels/x.yaml:11:25: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "an unknown field inside a text",
      change: [prompt, "prompt: A picture of ${request.promt}, please"],
      expected: ["channels/x.yaml:11:38: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "an unknown name",
      change: [prompt, "prompt: ${requst.prompt}"],
      expected: ["channels/x.yaml:11:17: generate.request.json: unknown name requst (did you mean request?)"],
    },
    {
      name: "a name of another place",
      change: [prompt, "prompt: ${body.prompt}"],
      expected: [
        "channels/x.yaml:11:17: generate.request.json: unknown name body (known: request, size, model, variables, base_url, key, before)",
      ],
    },
    {
      name: "the environment in a request",
      change: [prompt, "prompt: ${env.PROMPT}"],
      expected: [
        "channels/x.yaml:11:17: generate.request.json: unknown name env (known: request, size, model, variables, base_url, key, before)",
      ],
    },
    {
      name: "an undeclared variable",
      change: [prompt, "prompt: ${variables.region}"],
      expected: ["channels/x.yaml:11:27: generate.request.json: unknown field variables.region (nothing is known here)"],
    },
    {
      name: "a syntax error",
      change: [prompt, "prompt: ${request.prompt +}"],
      expected: ["channels/x.yaml:11:33: generate.request.json: the expression ends too early"],
    },
    {
      name: "a syntax error behind a text",
      change: [prompt, "prompt: a ${request.n} b ${request.prompt ++ 1} c"],
      expected: ["channels/x.yaml:11:50: generate.request.json: unexpected token: PLUS"],
    },
    {
      name: "types that do not meet",
      change: [prompt, 'prompt: ${"a" + 1}'],
      expected: ["channels/x.yaml:11:17: generate.request.json: no such overload: string + int"],
    },
    {
      name: "a mistake in double quotes with escapes",
      change: [prompt, 'prompt: "\\"quoted\\" \\n ${request.promt}"'],
      expected: ["channels/x.yaml:11:40: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "a mistake in single quotes with quotes",
      change: [prompt, "prompt: 'it''s ''quoted'' ${request.promt}'"],
      expected: ["channels/x.yaml:11:43: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "a mistake in a block of lines",
      change: [prompt, "prompt: |\n        one line\n          ${request.promt} more"],
      expected: ["channels/x.yaml:13:21: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "a mistake in a folded block",
      change: [prompt, "prompt: >-\n        one line\n        and ${request.promt}"],
      expected: ["channels/x.yaml:13:23: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "a mistake in a plain text over two lines",
      change: [prompt, "prompt: one line\n        and ${request.promt}"],
      expected: ["channels/x.yaml:12:23: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
    {
      name: "an expression that is not closed",
      change: [prompt, "prompt: ${request.prompt"],
      expected: [
        "channels/x.yaml:11:15: generate.request.json: the expression is not closed; where YAML cuts it (at ': ', ' #', or inside { } and [ ]), put the whole value in quotes",
      ],
    },
    {
      name: "an expression cut by a comment",
      change: [prompt, "prompt: ${request.prompt #1}"],
      expected: [
        "channels/x.yaml:11:15: generate.request.json: the expression is not closed; where YAML cuts it (at ': ', ' #', or inside { } and [ ]), put the whole value in quotes",
      ],
    },
    {
      name: "an expression cut by a colon",
      change: [prompt, "prompt: ${has(request.n) ? 1 : 2}"],
      expected: [
        "channels/x.yaml:11:15: yaml: nested mappings are not allowed in compact mappings; a value with ${...} inside { }, [ ] or with ': ' in it must be in quotes",
      ],
    },
    {
      name: "an expression in flow braces",
      change: ["json:\n      prompt: ${request.prompt}\n      n: ${request.n}", "json: { prompt: ${request.prompt} }"],
      expected: [
        "channels/x.yaml:10:22: yaml: unexpected flow-map-start at node end; a value with ${...} inside { }, [ ] or with ': ' in it must be in quotes",
      ],
    },
    {
      name: "an expression in flow brackets",
      change: [prompt, "prompt: [${request.prompt}]"],
      expected: [
        "channels/x.yaml:11:17: yaml: missing , or : between flow sequence items; a value with ${...} inside { }, [ ] or with ': ' in it must be in quotes",
      ],
    },
    {
      name: "an unbounded regular expression",
      change: [prompt, 'prompt: ${request.prompt.matches("(a+)+")}'],
      expected: ["channels/x.yaml:11:17: generate.request.json: matches is not offered, its time has no bound; write rx(text, pattern)"],
    },
    {
      name: "has() of what is no path",
      change: ["generate:\n", "errors:\n  - { when: 'has(body[0].x)', class: quota }\ngenerate:\n"],
      expected: [
        "channels/x.yaml:8:18: errors.when: has() takes a path of names, such as has(body.x); behind [ ] write body[?0].?x.hasValue()",
      ],
    },
    {
      name: "a document that is not there",
      change: [prompt, "prompt: { $document: flows/none.json }"],
      expected: ["channels/x.yaml:11:28: generate.request.json: there is no file flows/none.json beside the channels"],
    },
    {
      name: "a document that is a folder",
      change: [prompt, "prompt: { $document: models }"],
      expected: ["channels/x.yaml:11:28: generate.request.json: models cannot be read"],
    },
    {
      name: "a document that is not JSON",
      change: [prompt, "prompt: { $document: x.yaml }"],
      expected: ["channels/x.yaml:11:28: generate.request.json: x.yaml is not JSON"],
    },
    {
      name: "a document without the place for a value",
      change: [prompt, "prompt: { $document: models/m.json, $set: { 6.inputs.text: 1 } }"],
      expected: ["channels/x.yaml:11:66: generate.request.json: the document has no object at 6.inputs"],
    },
    {
      name: "a function that there is not",
      change: [prompt, "prompt: ${upper(request.prompt)}"],
      expected: ["channels/x.yaml:11:17: generate.request.json: there is no function upper(dyn); see docs/expressions.md"],
    },
    {
      name: "a condition in braces",
      change: ["generate:\n", 'errors: [{ when: "${status == 402}", class: quota }]\ngenerate:\n'],
      expected: ["channels/x.yaml:7:19: errors.when: a condition is a bare expression, without ${ }: status == 402"],
    },
    {
      name: "a condition that does not parse",
      change: ["  result:\n", "  success: body.code = 0\n  result:\n"],
      expected: ["channels/x.yaml:13:22: generate.success: = stands alone; two values are compared with =="],
    },
    {
      name: "an unknown name in a condition",
      change: ["generate:\n", "errors:\n  - { when: statsu == 402, class: quota }\ngenerate:\n"],
      expected: ["channels/x.yaml:8:13: errors.when: unknown name statsu (did you mean status?)"],
    },
    {
      name: "an unknown name in a rule's message",
      change: ["generate:\n", 'errors:\n  - { when: status == 402, class: quota, message: "no ${bdy.message}" }\ngenerate:\n'],
      expected: ["channels/x.yaml:8:57: errors.message: unknown name bdy (did you mean body?)"],
    },
    {
      name: "the picture outside of its place",
      change: ["images: ${body.data}", "images: ${image.data}"],
      expected: [
        "channels/x.yaml:14:15: generate.result.images: unknown name image (known: request, size, model, variables, base_url, key, before, status, headers, body, submitted, submission)",
      ],
    },
    {
      name: "an unknown directive",
      change: [prompt, "prompt: { $mpa: 1 }"],
      expected: [
        "channels/x.yaml:11:23: generate.request.json: unknown directive $mpa (known: $map, $when, $merge, $each, $json, $file, $document)",
      ],
    },
    {
      name: "a map without its table",
      change: [prompt, 'prompt: { $map: "${request.prompt}" }'],
      expected: ["channels/x.yaml:11:15: generate.request.json: $map needs its table: to: { value: result }"],
    },
    {
      name: "a key beside a map",
      change: [prompt, 'prompt: { $map: "${request.prompt}", to: {}, elsse: 1 }'],
      expected: ["channels/x.yaml:11:59: generate.request.json: unknown key elsse beside $map (did you mean else?)"],
    },
    {
      name: "a merge that is no list",
      change: [prompt, 'prompt: { $merge: "${request}" }'],
      expected: ["channels/x.yaml:11:15: generate.request.json: $merge stands alone and takes a list: $merge: [${request}, { model: x }]"],
    },
    {
      name: "a test's expression",
      change: [
        "generate:\n",
        'tests:\n  - { name: t, request: { model: m, prompt: "${base_ulr}/x" }, answer: { status: 200 } }\ngenerate:\n',
      ],
      expected: ["channels/x.yaml:8:48: tests: unknown name base_ulr (did you mean base_url?)"],
    },
    {
      name: "a mistake in every model, told once",
      change: [prompt, "prompt: ${request.promt}"],
      files: { "models/m2.json": '{ "$ref": "common.json" , "type": "object", "unevaluatedProperties": false}' },
      expected: ["channels/x.yaml:11:25: generate.request.json: unknown field request.promt (did you mean prompt?)"],
    },
  ]);
});
