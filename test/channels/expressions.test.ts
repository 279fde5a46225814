import { eachIsTold, type Mistake } from "./mistakes.ts";

const prompt = "prompt: ${request.prompt}";

/** A mistake where the prompt is, and how it is told behind the file's name. */
const inPrompt = (name: string, to: string, told: string): Mistake => ({
  name,
  change: [prompt, to],
  expected: [`channels/x.yaml:${told}`],
});

describe("mistakes in expressions", () => {
  eachIsTold([
    inPrompt(
      "an unknown field of the request",
      "prompt: ${request.promt}",
      "11:25: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "an unknown field inside a text",
      "prompt: A picture of ${request.promt}, please",
      "11:38: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt("an unknown name", "prompt: ${requst.prompt}", "11:17: generate.request.json: unknown name requst (did you mean request?)"),
    inPrompt(
      "a name of another place",
      "prompt: ${body.prompt}",
      "11:17: generate.request.json: unknown name body (known: request, size, model, variables, base_url, key, before)",
    ),
    inPrompt(
      "the environment in a request",
      "prompt: ${env.PROMPT}",
      "11:17: generate.request.json: unknown name env (known: request, size, model, variables, base_url, key, before)",
    ),
    inPrompt(
      "an undeclared variable",
      "prompt: ${variables.region}",
      "11:27: generate.request.json: unknown field variables.region (nothing is known here)",
    ),
    inPrompt("a syntax error", "prompt: ${request.prompt +}", "11:33: generate.request.json: the expression ends too early"),
    inPrompt(
      "a syntax error behind a text",
      "prompt: a ${request.n} b ${request.prompt ++ 1} c",
      "11:50: generate.request.json: unexpected token: PLUS",
    ),
    inPrompt("types that do not meet", 'prompt: ${"a" + 1}', "11:17: generate.request.json: no such overload: string + int"),
    inPrompt(
      "a mistake in double quotes with escapes",
      'prompt: "\\"quoted\\" \\n ${request.promt}"',
      "11:40: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "a mistake in single quotes with quotes",
      "prompt: 'it''s ''quoted'' ${request.promt}'",
      "11:43: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "a mistake in a block of lines",
      "prompt: |\n        one line\n          ${request.promt} more",
      "13:21: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "a mistake in a folded block",
      "prompt: >-\n        one line\n        and ${request.promt}",
      "13:23: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "a mistake in a plain text over two lines",
      "prompt: one line\n        and ${request.promt}",
      "12:23: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?",
    ),
    inPrompt(
      "an expression that is not closed",
      "prompt: ${request.prompt",
      "11:15: generate.request.json: the expression is not closed; where YAML cuts it (at ': ', ' #', or inside { } and [ ]), put the whole value in quotes",
    ),
    inPrompt(
      "an expression cut by a comment",
      "prompt: ${request.prompt #1}",
      "11:15: generate.request.json: the expression is not closed; where YAML cuts it (at ': ', ' #', or inside { } and [ ]), put the whole value in quotes",
    ),
    inPrompt(
      "an expression cut by a colon",
      "prompt: ${has(request.n) ? 1 : 2}",
      "11:15: yaml: nested mappings are not allowed in compact mappings; a text that begins with [ or {, or has ': ' in it, must be in quotes",
    ),
    {
      name: "an expression in flow braces",
      change: ["json:\n      prompt: ${request.prompt}\n      n: ${request.n}", "json: { prompt: ${request.prompt} }"],
      expected: ['channels/x.yaml:10:21: yaml: inside { } and [ ] an expression stands in quotes: "${request.prompt}"'],
    },
    inPrompt(
      "an expression in flow brackets",
      "prompt: [${request.prompt}]",
      '11:16: yaml: inside { } and [ ] an expression stands in quotes: "${request.prompt}"',
    ),
    {
      name: "expressions in flow brackets, all of them, but for those in quotes, behind no bracket or in a comment",
      change: [
        prompt,
        "prompt: [a, ${request.n + 'b'}, ${request.prompt}]\n      a: { b: '{ ${request.n}', c: { d: ${\"x\"} } } # { ${no}\n      e: ${request.n}",
      ],
      expected: [
        "channels/x.yaml:11:19: yaml: inside { } and [ ] an expression stands in quotes: \"${request.n + 'b'}\"",
        'channels/x.yaml:11:39: yaml: inside { } and [ ] an expression stands in quotes: "${request.prompt}"',
        "channels/x.yaml:12:41: yaml: inside { } and [ ] an expression stands in quotes: '${\"x\"}'",
      ],
    },
    inPrompt(
      "an expression behind a list",
      "prompt: [a] ${request.prompt}",
      "11:19: yaml: unexpected scalar at node end; a text that begins with [ or {, or has ': ' in it, must be in quotes",
    ),
    inPrompt(
      "a choice between a text and nothing",
      "prompt: '${request.n > 1 ? request.prompt + \"\" : optional.none()}'",
      "11:18: generate.request.json: the two sides of ? : have different types, string and optional<dyn>; write dyn(...) around one, or leave the key out with $when and $value",
    ),
    {
      name: "a rule of errors, once, also where verify is judged by it",
      change: ["generate:\n", "verify: { get: /k }\nerrors:\n  - { when: bdy.code == 1, class: quota }\ngenerate:\n"],
      expected: ["channels/x.yaml:9:13: errors.when: unknown name bdy (did you mean body?)"],
    },
    {
      name: "the free call of verify",
      change: ["generate:\n", "verify: { get: '/${k}' }\ngenerate:\n"],
      expected: ["channels/x.yaml:7:20: verify: unknown name k (known: request, size, model, variables, base_url, key, before)"],
    },
    inPrompt(
      "an unbounded regular expression",
      'prompt: ${request.prompt.matches("(a+)+")}',
      "11:17: generate.request.json: matches is not offered, its time has no bound; write rx(text, pattern)",
    ),
    {
      name: "has() of what is no path",
      change: ["generate:\n", "errors:\n  - { when: 'has(body[0].x)', class: quota }\ngenerate:\n"],
      expected: [
        "channels/x.yaml:8:18: errors.when: has() takes a path of names, such as has(body.x); behind [ ] write body[?0].?x.hasValue()",
      ],
    },
    inPrompt(
      "a document that is not there",
      "prompt: { $document: flows/none.json }",
      "11:28: generate.request.json: there is no file flows/none.json beside the channels",
    ),
    inPrompt(
      "a document that is a folder",
      "prompt: { $document: models }",
      "11:28: generate.request.json: models cannot be read: EISDIR: illegal operation on a directory, read",
    ),
    inPrompt("a document that is not JSON", "prompt: { $document: x.yaml }", "11:28: generate.request.json: x.yaml is not JSON"),
    inPrompt(
      "a document without the place for a value",
      "prompt: { $document: models/m.json, $set: { 6.inputs.text: 1 } }",
      "11:66: generate.request.json: the document has no object at 6.inputs",
    ),
    inPrompt(
      "a function that there is not",
      "prompt: ${upper(request.prompt)}",
      "11:17: generate.request.json: there is no function upper(dyn); see docs/expressions.md",
    ),
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
        "channels/x.yaml:14:15: generate.result.images: unknown name image (known: request, size, model, variables, base_url, key, before, status, headers, body, submitted, event, submission)",
      ],
    },
    inPrompt(
      "an unknown directive",
      "prompt: { $mpa: 1 }",
      "11:23: generate.request.json: unknown directive $mpa (known: $map, $when, $merge, $each, $json, $file, $document)",
    ),
    inPrompt(
      "a map without its table",
      'prompt: { $map: "${request.prompt}" }',
      "11:15: generate.request.json: $map needs its table: to: { value: result }",
    ),
    inPrompt(
      "a key beside a map",
      'prompt: { $map: "${request.prompt}", to: {}, elsse: 1 }',
      "11:59: generate.request.json: unknown key elsse beside $map (did you mean else?)",
    ),
    inPrompt(
      "a merge that is no list",
      'prompt: { $merge: "${request}" }',
      "11:15: generate.request.json: $merge stands alone and takes a list: $merge: [${request}, { model: x }]",
    ),
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
      expected: ["channels/x.yaml:11:25: generate.request.json: request.promt is unknown to m (schema m); did you mean prompt?"],
    },
  ]);
});
