import { eachIsTold } from "./mistakes.ts";

const key = '"${env.X_API_KEY}"';
const url = "https://api.example.com";

describe("mistakes in the operator's settings", () => {
  eachIsTold([
    {
      name: "a key written out",
      change: [key, "abcdef123456"],
      expected: ['channels/x.yaml:2:8: keys: a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}'],
    },
    {
      name: "a key written out in place of the list",
      change: [`[${key}]`, "abcdef123456"],
      expected: ['channels/x.yaml:2:7: keys: a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}'],
    },
    {
      name: "a key that is a number",
      change: [key, "123456789"],
      expected: ['channels/x.yaml:2:8: keys: a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}'],
    },
    {
      name: "a key with a part written out",
      change: [key, `{ id: ${key}, secret: "abcdef123456" }`],
      expected: ['channels/x.yaml:2:43: keys: a key written out; name where it is: ${env.NAME} or ${file("/run/secrets/name")}'],
    },
    {
      name: "a key as a shell would have it",
      change: [key, '"${X_API_KEY}"'],
      expected: ["channels/x.yaml:2:11: keys: unknown name X_API_KEY (write env.X_API_KEY)"],
    },
    {
      name: "a key of an unknown function",
      change: [key, '"${secret(1)}"'],
      expected: ["channels/x.yaml:2:11: keys: there is no function secret(int); see docs/expressions.md"],
    },
    {
      name: "a secret's file that cannot be read",
      change: [key, "'${file(\"/\")}'"],
      expected: ['channels/x.yaml:2:9: keys: cannot be worked out; ${file("/")}: Error: EISDIR: illegal operation on a directory, read'],
    },
    {
      name: "a secret in place of its file's name",
      change: [key, "'${file(env.X_API_KEY)}'"],
      env: { X_API_KEY: `/${"abcdef".repeat(60)}` },
      expected: [
        "channels/x.yaml:2:9: keys: cannot be worked out; ${file(env.X_API_KEY)}: Error: ENAMETOOLONG: name too long, open 'env.X_API_KEY'",
      ],
    },
    { name: "no keys in the list", change: [key, ""], expected: ["channels/x.yaml:2:7: keys: must not be empty"] },
    {
      name: "a base URL without its scheme",
      change: [url, "api.example.com/v1"],
      expected: ["channels/x.yaml:1:11: base_url: not an address; write https://host/path"],
    },
    {
      name: "a model's base URL without its scheme",
      change: ["  m:\n", "  m: { base_url: api.example.com }\n"],
      expected: ["channels/x.yaml:4:18: models.m.base_url: not an address; write https://host/path"],
    },
    {
      name: "a base URL without a host",
      change: [url, "https://"],
      expected: ["channels/x.yaml:1:11: base_url: not an address; write https://host/path"],
    },
    {
      name: "a base URL with a port that is none",
      change: [url, "https://a.b:99999"],
      expected: ["channels/x.yaml:1:11: base_url: not an address; write https://host/path"],
    },
    {
      name: "a base URL of the environment that is none",
      change: [url, "https://a.b"],
      env: { X_BASE_URL: "localhost:1234" },
      expected: ["channels/x.yaml:1:11: X_BASE_URL: not an address; write https://host/path"],
    },
    {
      name: "a request's name in a setting",
      change: [url, "https://${model.id}.example.com"],
      expected: ["channels/x.yaml:1:21: base_url: unknown name model (known: env)"],
    },
    {
      name: "a setting that cannot be worked out",
      change: ["generate:", 'variables: { half: "${env.X_API_KEY / 2}" }\ngenerate:'],
      env: { X_API_KEY: "abcdef123456" },
      expected: ["channels/x.yaml:7:21: variables: cannot be worked out; ${env.X_API_KEY / 2}: no such overload: dyn<string> / int"],
    },
  ]);
});
