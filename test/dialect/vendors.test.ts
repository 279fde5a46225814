import { expect } from "chai";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";

// The kinds of signature bear the names of those who made them up.
const schemes = /\b(?:sigv4|signSigV4|aws4|volcengine|signVolcengine|tc3|signTc3|google_service_account)\w*/gi;
// Words of names and hosts that are everybody's. OpenAI's is the API that clients speak.
const common = new Set(
  (
    "api app com net org run www image images labs forest black proxy demo relay local provider open openai cloud queue router external " +
    "together visual stability client inference workers runtime stable diffusion server agents services"
  ).split(" "),
);

async function filesOf(folder: string, ending: RegExp): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => ending.test(name)).map((name) => join(folder, name));
}

/** Every word of the channels' names and hosts that is somebody's name. */
async function vendors(): Promise<Set<string>> {
  const words: string[] = [];
  for (const file of (await readdir("channels")).filter((name) => name.endsWith(".yaml"))) {
    words.push(...file.replace(".yaml", "").split("-"));
    const { base_url: address = "" } = parse(await readFile(join("channels", file), "utf8")) as { base_url?: string };
    const host = URL.canParse(address) ? new URL(address).hostname : "";
    words.push(...host.split(/[.-]/));
  }
  return new Set(words.filter((word) => word.length > 3 && /^[a-z]+$/.test(word) && !common.has(word)));
}

describe("the code", () => {
  it("names no vendor: what is somebody's own stands in channels/", async () => {
    const names = [...(await vendors())];
    expect(names).to.include.members(["bedrock", "dashscope", "siliconflow"]);
    // As a word, and within a name such as signBedrock; the "sTable" of markdownTable is none.
    const forms = names.flatMap((name) => [
      `(?<![A-Za-z])${name}(?![a-z])`,
      `${name.charAt(0).toUpperCase()}${name.slice(1)}(?![a-z])`,
      name.toUpperCase(),
    ]);
    const pattern = new RegExp(forms.join("|"), "g");
    const found: string[] = [];
    for (const file of [...(await filesOf("src", /\.ts$/)), ...(await filesOf("plugins", /\.ts$/))]) {
      for (const [index, line] of (await readFile(file, "utf8")).split("\n").entries())
        for (const [name] of line.replaceAll(schemes, "").matchAll(pattern)) found.push(`${file}:${index + 1}: ${name}`);
    }
    expect(found).to.deep.equal([]);
  });
});
