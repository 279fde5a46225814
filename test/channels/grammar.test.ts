import { eachIsTold } from "./mistakes.ts";

const size = "size-map: { multiple_of: 16 }";

describe("mistakes in the words of a channel", () => {
  eachIsTold([
    {
      name: "a typo in a key",
      change: ["base_url:", "baseurl:"],
      expected: ['channels/x.yaml:1:1: channel: unknown key "baseurl" (did you mean base_url?)'],
    },
    {
      name: "a key far from every other",
      change: ["  result:\n", "  zebra: 1\n  result:\n"],
      expected: ['channels/x.yaml:13:3: generate: unknown key "zebra" (known: before, request, success, poll, cancel, result, stream)'],
    },
    {
      name: "an unknown plugin",
      change: [size, "size-mpa"],
      expected: ['channels/x.yaml:6:5: plugins: unknown plugin "size-mpa" (did you mean size-map?)'],
    },
    {
      name: "an unknown plugin with options",
      change: [size, "size-mpa: { multiple_of: 16 }"],
      expected: ['channels/x.yaml:6:5: plugins: unknown plugin "size-mpa" (did you mean size-map?)'],
    },
    {
      name: "an unknown option",
      change: ["multiple_of", "multipel_of"],
      expected: ['channels/x.yaml:6:17: size-map: unknown option "multipel_of" (did you mean multiple_of?)'],
    },
    {
      name: "an option of the wrong type",
      change: ["16", "sixteen"],
      expected: ['channels/x.yaml:6:30: size-map.multiple_of: must be a whole number, not "sixteen"'],
    },
    {
      name: "an option below its least",
      change: ["16", "0"],
      expected: ["channels/x.yaml:6:30: size-map.multiple_of: must be >= 1, not 0"],
    },
    {
      name: "an option that is none of those there are",
      change: ["16 }", "16, otherwise: rejct }"],
      expected: ['channels/x.yaml:6:45: size-map.otherwise: unknown value "rejct" (did you mean reject?)'],
    },
    {
      name: "an option that does not match its pattern",
      change: ["multiple_of: 16", "sizes: [1024*1024]"],
      expected: ['channels/x.yaml:6:25: size-map.sizes: "1024*1024" is not like ^[1-9][0-9]*x[1-9][0-9]*$'],
    },
    {
      name: "two plugins in one item",
      change: [size, `${size}\n    inspect: {}`],
      expected: ["channels/x.yaml:6:5: plugins: one item names one plugin; begin a line with - for each"],
    },
    { name: "an empty item", change: [size, ""], expected: ["channels/x.yaml:6:5: plugins: must be text or a map, not empty"] },
    {
      name: "an item without a plugin",
      change: [size, "{}"],
      expected: ["channels/x.yaml:6:5: plugins: name a plugin, such as - inspect"],
    },
    {
      name: "missing base_url, with another mistake",
      change: ["base_url: https://api.example.com\n", "priority: high\n"],
      expected: ["channels/x.yaml:1:1: channel: base_url is missing", 'channels/x.yaml:1:11: priority: must be a whole number, not "high"'],
    },
    { name: "missing models", change: ["models:\n  m:\n", ""], expected: ["channels/x.yaml:1:1: channel: models is missing"] },
    { name: "no models", change: ["models:\n  m:\n", "models: {}\n"], expected: ["channels/x.yaml:3:9: models: must not be empty"] },
    {
      name: "models as a list",
      change: ["models:\n  m:\n", "models: [m]\n"],
      expected: ["channels/x.yaml:3:9: models: must be a map, not a list"],
    },
    {
      name: "a model that is a text",
      change: ["  m:\n", "  m: dall-e-3\n"],
      expected: ['channels/x.yaml:4:6: models.m: must be a map or empty, not "dall-e-3"'],
    },
    {
      name: "missing generate",
      files: { "x.yaml": "base_url: https://a.b\nmodels:\n  m:\n" },
      expected: [
        "channels/x.yaml:1:1: generate: request is missing, the call to the provider; write it, or extends: a preset that has it",
        "channels/x.yaml:1:1: generate: result is missing, where the pictures are; write it, or extends: a preset that has it",
      ],
    },
    {
      name: "missing request",
      change: ["  request:\n    post: /images\n    json:\n      prompt: ${request.prompt}\n      n: ${request.n}\n", ""],
      expected: ["channels/x.yaml:8:3: generate: request is missing, the call to the provider; write it, or extends: a preset that has it"],
    },
    {
      name: "missing images and url",
      change: ["    images: ${body.data}\n    url: ${image.url}\n", "    created: ${body.created}\n"],
      expected: [
        "channels/x.yaml:14:5: generate.result: images is missing, the list of pictures: images: ${body.data}",
        "channels/x.yaml:14:5: generate.result: url or base64 is missing, where one picture is: url: ${image.url}",
      ],
    },
    {
      name: "no method",
      change: ["    post: /images\n", ""],
      expected: ["channels/x.yaml:9:5: generate.request: one method with its path is needed, such as post: /images, and there is none"],
    },
    {
      name: "two methods",
      change: ["    post: /images\n", "    post: /images\n    put: /images\n"],
      expected: [
        "channels/x.yaml:9:5: generate.request: one method with its path is needed, such as post: /images, and there are post and put",
      ],
    },
    {
      name: "a method in capitals",
      change: ["    post: /images\n", "    POST: /images\n"],
      expected: ['channels/x.yaml:9:5: generate.request: unknown key "POST" (did you mean post?)'],
    },
    {
      name: "a path without its slash",
      change: ["/images", "images"],
      expected: ["channels/x.yaml:9:11: generate.request.post: a path begins with /: /images"],
    },
    {
      name: "a duration without its unit",
      change: ["generate:", 'limits: { timeout: "90" }\ngenerate:'],
      expected: ['channels/x.yaml:7:21: limits.timeout: "90" is not a duration; write 500ms, 90s, 10m or 1h'],
    },
    {
      name: "a duration that is a number",
      change: ["generate:", "limits: { timeout: 90 }\ngenerate:"],
      expected: ["channels/x.yaml:7:20: limits.timeout: must be text, not 90"],
    },
    {
      name: "a class of failure that there is not",
      change: ["generate:", "errors:\n  - { when: status == 402, class: quotas }\ngenerate:"],
      expected: ['channels/x.yaml:8:35: errors.class: unknown value "quotas" (did you mean quota?)'],
    },
    {
      name: "a rule without its class",
      change: ["generate:", "errors:\n  - { when: status == 402 }\ngenerate:"],
      expected: ["channels/x.yaml:8:5: errors: class is missing"],
    },
    {
      name: "a state in two tables",
      change: [
        "  result:\n",
        '  poll: { get: "/x", state: "${body.state}", pending: [wait, 1], done: [done, "1"], failed: [wait] }\n  result:\n',
      ],
      expected: [
        "channels/x.yaml:13:80: generate.poll.done: the state 1 is in pending already",
        "channels/x.yaml:13:94: generate.poll.failed: the state wait is in pending already",
      ],
    },
    {
      name: "a poll that would never end",
      change: ["  result:\n", '  poll: { get: "/x" }\n  result:\n'],
      expected: [
        "channels/x.yaml:13:9: generate.poll: done is missing, without which a task has no end: done: [succeeded]",
        "channels/x.yaml:13:9: generate.poll: state is missing, without which a task has no end: state: ${body.status}",
      ],
    },
    {
      name: "a table of classes without what it is about",
      change: ["generate:", "errors:\n  - { to: { 7: quota } }\ngenerate:"],
      expected: ["channels/x.yaml:8:5: errors: on is missing"],
    },
    {
      name: "a table of classes beside a class",
      change: ["generate:", 'errors:\n  - { on: "${body.code}", to: { 7: quota }, class: auth }\ngenerate:'],
      expected: ["channels/x.yaml:8:52: errors.class: a rule has a class or a table of them; take out class, or on and to"],
    },
    {
      name: "something that comes next that there is not",
      change: ["generate:", "errors:\n  - { when: status == 402, class: quota, then: retyr }\ngenerate:"],
      expected: ['channels/x.yaml:8:48: errors.then: unknown value "retyr" (known: fail, next_key, next_channel, retry)'],
    },
    {
      name: "something that comes next where nothing can",
      change: [
        "    url: ${image.url}\n",
        "    url: ${image.url}\n    each_error: [{ when: has(image.code), class: failed, then: retry }]\n",
      ],
      expected: ['channels/x.yaml:16:58: generate.result.each_error: unknown key "then" (did you mean when?)'],
    },
    {
      name: "an auth that there is not",
      change: ["generate:", "auth: beerer\ngenerate:"],
      expected: ['channels/x.yaml:7:7: auth: unknown value "beerer" (did you mean bearer?)'],
    },
    {
      name: "an auth with a header and a query",
      change: ["generate:", "auth: { header: x-key, query: key }\ngenerate:"],
      expected: ["channels/x.yaml:7:7: auth: name one kind, such as { header: x-key }; a scheme stands beside a header"],
    },
    {
      name: "an auth with a scheme alone",
      change: ["generate:", "auth: { scheme: Key }\ngenerate:"],
      expected: ["channels/x.yaml:7:7: auth: name one kind, such as { header: x-key }; a scheme stands beside a header"],
    },
    {
      name: "an auth that is a list",
      change: ["generate:", "auth: [bearer]\ngenerate:"],
      expected: ["channels/x.yaml:7:7: auth: must be text or a map, not a list"],
    },
    {
      name: "a test without an answer",
      change: ["generate:", "tests:\n  - { name: t, request: { model: m } }\ngenerate:"],
      expected: ["channels/x.yaml:8:5: tests: answer is missing"],
    },
    {
      name: "a test with an answer to a client that hung up",
      change: [
        "generate:",
        "tests:\n  - { name: t, request: {}, exchange: [{ expect: { get: / }, reply: { hang_up: true } }], answer: { status: 200 } }\ngenerate:",
      ],
      expected: ["channels/x.yaml:8:5: tests: a client that hangs up gets no answer; take it out"],
    },
    {
      name: "a test of another channel's model",
      change: ["generate:", "tests:\n  - { name: t, request: { model: mm }, answer: { status: 200 } }\ngenerate:"],
      expected: ["channels/x.yaml:8:34: tests: mm is not a model of this channel (did you mean m?)"],
    },
    {
      name: "a status that is none",
      change: [
        "generate:",
        "tests:\n  - { name: t, request: {}, exchange: [{ expect: { get: / }, reply: { status: 1000 } }], answer: { status: 200 } }\ngenerate:",
      ],
      expected: ["channels/x.yaml:8:79: tests.exchange.reply.status: must be <= 599, not 1000"],
    },
    {
      name: "all problems of a file at once",
      change: [
        "generate:\n  request:\n    post: /images\n",
        "unsuported: drop\nlimits: { timeout: soon }\ngenerate:\n  request:\n    post: /${request.promt}\n",
      ],
      expected: [
        'channels/x.yaml:7:1: channel: unknown key "unsuported" (did you mean unsupported?)',
        'channels/x.yaml:8:20: limits.timeout: "soon" is not a duration; write 500ms, 90s, 10m or 1h',
        "channels/x.yaml:11:22: generate.request.post: request.promt is unknown to m (schema m); did you mean prompt?",
      ],
    },
    {
      name: "mistakes in a model's own part",
      change: [
        "  m:\n",
        '  m:\n    plugins: [size-mpa]\n    priority: high\n    generate:\n      request:\n        json: { seed: "${request.sed}" }\n',
      ],
      expected: [
        'channels/x.yaml:5:15: models.m.plugins: unknown plugin "size-mpa" (did you mean size-map?)',
        'channels/x.yaml:6:15: models.m.priority: must be a whole number or empty, not "high"',
        "channels/x.yaml:9:34: generate.request.json: request.sed is unknown to m (schema m); known: model, prompt, n, size",
      ],
    },
  ]);
});
