// Every key of the grammar of channels has an effect wherever it is taken, or is refused there.
import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { channelSchema } from "../../src/channels/grammar.ts";
import { isPlainObject } from "../../src/expression/cel.ts";
import type { JsonSchema } from "../../src/schema/from-schema.ts";
import { plugins } from "../helpers/channels.ts";
import { effects, plainChannel, type Effect } from "./every-key.ts";
import { laid, observe, type Scene } from "./observe.ts";

type Tree = Record<string, unknown>;

/** Observations by their scenes: many keys are compared with the same plain channel, and a scene is the same each time. */
const observed = new Map<string, Promise<unknown>>();

function observeOnce(scene: Scene): Promise<unknown> {
  const text = JSON.stringify(scene);
  const seen = observed.get(text) ?? observe(scene);
  observed.set(text, seen);
  return seen;
}

/** The paths of a schema's keys that have none below them; `[]` stands for a list's element, `*` for any name. */
function leavesOf(schema: JsonSchema, path = ""): string[] {
  const { properties, items, additionalProperties, else: other } = schema as JsonSchema & { else?: JsonSchema };
  const below = (name: string, part: JsonSchema) => leavesOf(part, path === "" ? name : `${path}.${name}`);
  if (properties) return Object.entries(properties).flatMap(([name, part]) => below(name, part));
  if (items?.properties) return leavesOf(items, `${path}[]`);
  if (typeof additionalProperties === "object" && additionalProperties.properties) return below("*", additionalProperties);
  return other?.properties ? [path, ...leavesOf(other, path)] : [path];
}

/** A channel with a value at a path. Without one, what stands there is taken out. */
function put(below: unknown, [step = "", ...rest]: readonly string[], value: unknown): unknown {
  const name = step.replace("[]", "");
  const map = isPlainObject(below) ? below : {};
  const key = name === "*" ? (Object.keys(map)[0] ?? "a") : name;
  const { [key]: inner, ...others } = map;
  const next =
    rest.length === 0 ? value : step.endsWith("[]") ? [put((inner as unknown[] | undefined)?.[0], rest, value)] : put(inner, rest, value);
  return next === undefined ? others : { ...others, [key]: next };
}

const pruned = (value: unknown): unknown =>
  isPlainObject(value)
    ? Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, pruned(inner)]])))
    : value;

interface Placement {
  name: string;
  move: (channel: Tree) => Tree;
  request?: Tree;
}

const asIs: Placement = { name: "", move: (channel) => channel };
/** A condition reads the image, which goes nowhere else. */
const reads = { never: { when: "size(request.images) == 0", get: "/never" } };
const ofEdit: Placement = {
  name: "edit",
  move: ({ generate, ...channel }) => ({ ...channel, edit: laid({ before: reads }, generate) }),
  request: { edit: true },
};
const ofModel = (key: string): Placement => ({
  name: "a model",
  // A channel cannot be without an address.
  move: ({ [key]: moved, models, ...channel }) => ({
    ...(key === "base_url" && { base_url: "URL" }),
    ...channel,
    models: laid(models, { m: { [key]: moved } }),
  }),
});

/** The places that a key may stand in. */
function placementsOf(path: string, { refusedOfModel }: Effect): Placement[] {
  const [top = ""] = path.split(/[.[]/);
  const model = channelSchema(plugins).properties?.models?.additionalProperties as JsonSchema;
  const isOfModel = top in (model.properties ?? {}) && !refusedOfModel;
  return [asIs, ...(top === "generate" ? [ofEdit] : []), ...(isOfModel ? [ofModel(top)] : [])];
}

/** Keys with tests of their own, or like one that is tried. */
const elsewhere = ["auth", "plugins", "tests", "models", "edit"];

describe("every key of a channel file", () => {
  it("is tried here", () => {
    const all = channelSchema(plugins).properties ?? {};
    const { models } = all;
    const others = Object.fromEntries(Object.entries(all).filter(([name]) => !elsewhere.includes(name)));
    const anew = (models?.additionalProperties as JsonSchema).properties ?? {};
    const ofModels = Object.keys(anew).flatMap((name) => (name in others || elsewhere.includes(name) ? [] : [`models.*.${name}`]));
    expect([...leavesOf({ properties: others }), ...ofModels, "plugins"].sort()).to.deep.equal(Object.keys(effects).sort());
  });

  it("is looked at in scenes that are the same each time", async () => {
    const scene = { channel: plainChannel };
    expect(await observe(scene)).to.deep.equal(await observe(scene));
  });

  for (const [path, effect] of Object.entries(effects)) {
    if (effect.unseen !== undefined) {
      const { why, seenIn } = effect.unseen;
      it(`${path} is shown in ${seenIn}: ${why}`, async () => expect(await readFile(seenIn, "utf8")).to.include(path.split(".").at(-1)));
      continue;
    }
    for (const { name, move, request } of placementsOf(path, effect))
      it(`has an effect${name && ` in ${name}`}: ${path}`, async () => {
        const { base = {}, is, not, without = {}, ...scene } = effect;
        const steps = path.split(".");
        const bare = pruned(laid(plainChannel, base));
        const channels = [put(bare, steps, is), put(laid(bare, without), steps, not)] as Tree[];
        const [seen, unseen] = await Promise.all(
          channels.map((channel) => observeOnce({ ...scene, channel: move(channel), request: { ...scene.request, ...request } })),
        );
        expect(seen).not.to.deep.equal(unseen);
        expect(Array.isArray(seen), `it is refused: ${JSON.stringify(seen)}`).to.equal(false);
      });

    if (effect.refusedOfModel)
      it(`is refused of a model: ${path}`, async () => {
        const channel = put(plainChannel, path.split("."), effect.is) as Tree;
        expect(JSON.stringify(await observe({ channel: ofModel("limits").move(channel) }))).to.include(
          "write it in the channel's own limits",
        );
      });
  }
});
