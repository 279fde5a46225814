// Holds the validators that the build writes as code against those that are compiled.
import { expect } from "chai";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ValidateFunction } from "ajv";
import type { JsonSchema } from "../../src/schema/from-schema.ts";
import { validatorOf, writtenFolder, writtenName } from "../../src/schema/written.ts";
import { fileSchemas, writeValidators } from "../../tools/validators.ts";

const size: JsonSchema = {
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: { name: { type: "string", minLength: 2, pattern: "^[a-z]+$" }, day: { type: "string", format: "date" }, n: { default: 1 } },
};

const nowhere = "no-such-folder";

const saidOf = (validate: ValidateFunction, written: unknown) => {
  const value = structuredClone(written);
  const right = validate(value);
  // A schema may hold undefined, which the code of one does not.
  return { right, value, errors: JSON.stringify(validate.errors) };
};

describe("validators that are written as code", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-validators-"));
    await writeValidators([size], folder);
  });
  after(() => rm(folder, { recursive: true }));

  const values = [{ name: "ab" }, { name: "A", nmae: 1, day: "2026-02-30" }, {}, [], null];
  for (const value of values)
    it(`say of ${JSON.stringify(value)} what compiled ones say`, () =>
      expect(saidOf(validatorOf(size, folder), value)).to.deep.equal(saidOf(validatorOf(size, nowhere), value)));

  it("are taken for no other schema", async () => {
    expect(await readdir(folder)).to.deep.equal([writtenName(size)]);
    const other = { ...size, required: [] };
    expect(validatorOf(other, folder)({})).to.equal(true);
    expect(validatorOf(size, folder)({})).to.equal(false);
  });

  it("are there for every file of the operator's, and say of wrong ones what compiled ones say", async () => {
    const wrong = {
      base_url: 1,
      models: { a: { plugins: [{ inspect: { nosuch: 1 } }, "nosuch"], limits: [], edit: { like: "x" } } },
      auth: { header: "a b", bearer: 1 },
      routes: { "GET /": { operation: 1 } },
      tests: [{ name: 1, exchange: [{ reply: {} }] }],
      keys: [{ name: "!", key: 1, expires: "soon" }],
    };
    const schemas = await fileSchemas();
    expect(await readdir(writtenFolder)).to.have.members(schemas.map(writtenName));
    for (const schema of schemas) {
      const said = saidOf(validatorOf(schema), wrong);
      expect(said.right).to.equal(false);
      expect(said).to.deep.equal(saidOf(validatorOf(schema, nowhere), wrong));
    }
  });
});
