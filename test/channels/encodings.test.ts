// Files that are no UTF-8, and what of YAML is not read.
import { expect } from "chai";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channel, eachIsTold, lineOf, makeFolder, problemsIn } from "./mistakes.ts";

const utf16 = Buffer.from(`\ufeff${channel}`, "utf16le");
const merge =
  "yaml: merge keys << are not read; a whole value is repeated with an alias, and what channels share is a preset that they name with extends";

describe("a file of another encoding", () => {
  const cases: [name: string, bytes: Buffer, expected: string][] = [
    ["UTF-16 with its mark", utf16, "1:1: the file is UTF-16; save it as UTF-8"],
    ["UTF-16 of the other order", Buffer.from(utf16).swap16(), "1:1: the file is UTF-16; save it as UTF-8"],
    ["UTF-16 without a mark", utf16.subarray(2), "1:1: the file is UTF-16; save it as UTF-8"],
    ["UTF-32", Buffer.from("fffe000062000000", "hex"), "1:1: the file is UTF-32; save it as UTF-8"],
    ["Latin-1", Buffer.from(`# caf\u00e9\n${channel}`, "latin1"), "1:6: a byte that is not UTF-8; save the file as UTF-8"],
    ["no text at all", Buffer.from("\x7fELF\x02\x01\0\0\0", "latin1"), "1:7: a zero byte, which no text has; save the file as UTF-8"],
  ];
  for (const [name, bytes, expected] of cases)
    it(`is named as what it is: ${name}`, async () => {
      const folder = await makeFolder({ "y.yaml": channel });
      try {
        await mkdir(join(folder, "presets"));
        for (const file of ["x.yaml", "presets/p.yaml", "models/z.json"]) await writeFile(join(folder, file), bytes);
        expect((await problemsIn(folder)).map(lineOf)).to.deep.equal(
          ["models/z.json", "presets/p.yaml", "x.yaml"].map((file) => `channels/${file}:${expected}`),
        );
      } finally {
        await rm(folder, { recursive: true });
      }
    });
});

describe("merge keys of YAML", () => {
  eachIsTold([
    {
      name: "are said not to be read, and what is",
      change: ["models:\n  m:", "variables: &base { a: 1 }\nmodels:\n  m: { <<: *base }"],
      expected: [`channels/x.yaml:5:8: ${merge}`],
    },
    {
      name: "are not sent to a provider as a name",
      change: ["      prompt: ${request.prompt}", "      <<: { a: 1 }\n      prompt: ${request.prompt}"],
      expected: [`channels/x.yaml:11:7: ${merge}`],
    },
    { name: "are a name like others in quotes", change: ["      prompt:", '      "<<": x\n      prompt:'], expected: [] },
  ]);
});

describe("channels whose variables would begin alike", () => {
  eachIsTold([
    {
      name: "are told, since each would have the other's key and address",
      files: { "acme-2.yaml": channel, "acme_2.yaml": channel, "acme-3.yaml": channel },
      expected: [
        "channels/acme_2.yaml:1:1: the variables of this channel begin with ACME_2_, and so do those of channels/acme-2.yaml; rename one",
      ],
    },
  ]);
});
