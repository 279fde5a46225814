import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { loadChannels } from "../../src/channels/load.ts";
import { shipped } from "../../src/channels/proven.ts";
import { loadDoors } from "../../src/door/load.ts";
import { errorStatus } from "../../src/errors.ts";
import { createTable, type Table } from "../../src/gateway/table.ts";
import { billing } from "../../src/http/billing.ts";
import { describe as describeInterface } from "../../src/http/openapi.ts";
import { loadFiles, plugins } from "../helpers/channels.ts";

type Json = Record<string, unknown>;

/** Every channel that ships, switched on. */
async function shippedTable(): Promise<Table> {
  const names = [...(await readdir("channels"))].filter((name) => name.endsWith(".yaml")).map((name) => name.slice(0, -5));
  const env = Object.fromEntries(
    names.flatMap((name) => {
      const prefix = name.toUpperCase().replaceAll("-", "_");
      return [
        [`${prefix}_BASE_URL`, "http://127.0.0.1:9"],
        [`${prefix}_API_KEY`, "set|for-two-parts"],
      ];
    }),
  );
  return createTable(await loadChannels({ folder: "channels", plugins, env, proven: shipped() }));
}

function refsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" && typeof inner === "string" ? [inner] : refsOf(inner)));
}

function at(document: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .reduce((value, key) => (value as Json | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

async function lint(document: Json): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-openapi-"));
  try {
    await writeFile(join(folder, "openapi.json"), JSON.stringify(document));
    const cli = join(process.cwd(), "node_modules/@redocly/cli/bin/cli.js");
    const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const run = promisify(execFile)(process.execPath, [cli, "lint", "--format=json", "openapi.json"], { cwd: folder, env });
    const { stdout } = await run.catch((failed: unknown) => failed as { stdout: string });
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("http: the description of the interface", () => {
  let document: Json;
  let table: Table;
  before(async () => {
    table = await shippedTable();
    const doors = (await loadDoors({ folder: "channels" })).doors.map(({ door }) => door);
    document = JSON.parse(JSON.stringify(describeInterface([...table.models.values()], "http://127.0.0.1:8080", doors))) as Json;
  });

  it("is OpenAPI 3.1 without an error or a warning by the recommended rules", async () => {
    const { totals, problems } = JSON.parse(await lint(document)) as { totals: object; problems: object[] };
    expect(problems).to.deep.equal([]);
    expect(totals).to.deep.include({ errors: 0, warnings: 0 });
    expect(document.openapi).to.equal("3.1.0");
  });

  it("is not found valid when it is not", async () => {
    const { totals } = JSON.parse(await lint({ ...document, info: {} })) as { totals: { errors: number } };
    expect(totals.errors).to.be.greaterThan(0);
  });

  it("holds every model's schema, with the model's own limits", () => {
    const schemas = at(document, "/components/schemas") as Record<string, { title: string }>;
    const titles = Object.values(schemas).map(({ title }) => title);
    for (const { schema } of table.models.values()) expect(titles).to.include((schema.schema as { title: string }).title);
    expect(Object.keys(schemas).filter((name) => name.startsWith("model-"))).to.have.length(table.models.size);
    expect(table.models.size).to.be.greaterThan(5);
    expect(JSON.stringify(schemas["model-dall-e-2"])).to.include("256x256");
  });

  it("has no reference to nowhere", () => {
    const refs = refsOf(document);
    expect(refs.length).to.be.greaterThan(20);
    for (const ref of refs) expect(at(document, ref.replace(/^#/, "")), ref).to.be.an("object");
  });

  it("keeps apart models whose ids differ in a slash only, and is there without any model", async () => {
    const models = "models: { a/b: { schema: demo }, a_b: { schema: demo }, a.b: { schema: demo }, a-2f-b: { schema: demo } }";
    const loaded = await loadFiles({ "acme.yaml": `extends: openai-images\nbase_url: http://127.0.0.1:9\n${models}\n` });
    const named = (at(describeInterface([...createTable(loaded).models.values()], "http://h"), "/components/schemas") ?? {}) as Json;
    expect(Object.keys(named).filter((name) => name.startsWith("model-"))).to.have.length(4);
    const empty = describeInterface([], "http://h");
    expect(JSON.parse(await lint(empty))).to.deep.include({ problems: [] });
  });

  it("says of every way to make pictures that it may answer with events", () => {
    for (const path of ["~1v1~1images~1generations", "~1v1~1images~1edits", "~1v1~1edits"])
      expect(at(document, `/paths/${path}/post/responses/200/content`)).to.have.all.keys("application/json", "text/event-stream");
  });

  it("describes every address of jobs, and what a key and a preference lead to", () => {
    const answersOf = (path: string, method: string) =>
      Object.keys(at(document, `/paths/${path.replaceAll("/", "~1")}/${method}/responses`) as Json);
    for (const path of ["/v1/images/generations", "/v1/images/edits", "/v1/images/generations/async", "/v1/images/edits/async"]) {
      expect(answersOf(path, "post"), path).to.include.members(["200", "202", "410", "422", "503"]);
      const parameters = at(document, `/paths/${path.replaceAll("/", "~1")}/post/parameters`) as { name: string }[];
      expect(parameters.map(({ name }) => name)).to.deep.equal(["Idempotency-Key", "Prefer", "pictor-webhook"]);
    }
    for (const path of ["/v1/images/jobs/{id}", "/v1/images/tasks/{id}", "/v1/tasks/{id}", "/v1/requests/{id}"])
      expect(answersOf(path, "get"), path).to.include.members(["200", "404", "503"]);
    for (const path of ["/v1/images/jobs/{id}/events", "/v1/images/tasks/{id}/events", "/v1/tasks/{id}/events"])
      expect(answersOf(path, "get"), path).to.include.members(["200", "204", "404", "503"]);
    expect(answersOf("/v1/images/jobs", "get")).to.include.members(["200", "400"]);
    expect(answersOf("/v1/images/jobs/{id}", "delete")).to.deep.equal(answersOf("/v1/images/jobs/{id}/cancel", "post"));
  });

  it("describes every address at which tools ask what was spent", () => {
    for (const path of ["/v1/usage", ...Object.keys(billing)])
      expect(at(document, `/paths/${path.replaceAll("/", "~1")}/get/responses/200`), path).to.be.an("object");
  });

  it("names every error code", () => {
    expect(at(document, "/components/schemas/Error/properties/error/properties/code/examples")).to.deep.equal(Object.keys(errorStatus));
    const responses = at(document, "/paths/~1v1~1images~1generations/post/responses") as Record<string, { description: string }>;
    for (const [code, status] of Object.entries(errorStatus))
      if (responses[status]) expect(responses[status].description).to.include(`\`${code}\``);
    expect(Object.keys(responses)).to.include.members(["200", "400", "401", "404", "413", "415", "429", "501", "502", "503", "504"]);
  });
});
