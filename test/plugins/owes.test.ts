import { expect } from "chai";
import { shippedPlugins, loadPlugins } from "../../src/plugin/load.ts";
import { createAjv } from "../../src/schema/ajv.ts";

const plugins = await loadPlugins([shippedPlugins]);

for (const [name, plugin] of plugins) {
  describe(`plugin ${name}`, () => {
    const validate = createAjv({ useDefaults: true }).compile(plugin.schema);

    it("has a one-sentence summary", () => expect(plugin.summary).to.match(/^[A-Z][^\n]*\.$/));

    it("has examples that its schema accepts and that it can be made with", () => {
      expect(plugin.examples).not.to.be.empty;
      for (const example of plugin.examples) {
        const options = structuredClone(example);
        expect(validate(options), JSON.stringify(validate.errors)).to.equal(true);
        // The name shows in stack traces; the function is called as the plugin is.
        expect(plugin.create(options).name).to.equal(name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()));
      }
    });

    it("can be made from the defaults alone, or says what is missing", () => {
      const options = {};
      expect(validate(options)).to.equal((plugin.schema.required ?? []).length === 0);
    });

    it("refuses options that it does not know", () => {
      expect(validate({ ...structuredClone(plugin.examples[0] as object), surely_not_an_option: 1 })).to.equal(false);
    });

    for (const [option, schema] of Object.entries(plugin.schema.properties ?? {})) {
      it(`describes option ${option}`, () => expect(schema.description).to.match(/^[A-Z][^\n]*\.$/));
    }
  });
}
