// Lists the names that expressions may read in each place.
import { readFileSync } from "node:fs";
import { halfClearPng, solidPng } from "../picture/png.ts";
import { remembered } from "./remember.ts";

/** A name that expressions in some place may read. */
export interface Name {
  /** A sentence for the reference. */
  about: string;
  /** The fields it has; absent where they are not known beforehand. */
  fields?: readonly string[];
  /** The model whose fields they are, where each has its own. */
  model?: string;
  /** Set where each path below it is a name of its own: an expression then uses `body.a.b`, and not the whole of `body.a`. */
  deep?: true;
}

/** The names and functions that the expressions of one place know. */
export interface Names {
  place: string;
  variables: Record<string, Name>;
  functions?: Record<string, (...values: never[]) => unknown>;
}

export function namesOf(names: Names): string[] {
  return Object.keys(names.variables);
}

const size: Name = {
  about:
    "The size of this request, parsed. Pixels have `width`, `height` and their `ratio` in lowest terms; a ratio has `ratio`, a tier `tier`, and both together have both. A part that a size does not have is missing.",
  fields: ["text", "width", "height", "ratio", "tier"],
};
const ofModel: Name = { about: "The model: `id` is its public name, `upstream` the provider's.", fields: ["id", "upstream"] };
const response: Record<string, Name> = {
  status: { about: "The HTTP status of the provider's answer." },
  headers: { about: "The headers of the provider's answer, names in lower case." },
  body: { about: "The body of the provider's answer." },
};

/** Names that may be read at load: secrets and settings of the operator. */
export const settingNames: Names = {
  place: "settings: base_url, keys, variables",
  variables: { env: { about: "The environment." } },
  functions: { "file(string): string": (path: string) => readFileSync(path, "utf8").trim() },
};

/** The places of templates in a channel file. */
export type Place = "request" | "answer" | "image" | "errors" | "price";

/** The names by what they are made of. A reload has those of the load before, and with them the expressions that were compiled for them. */
const known = new Map<string, Record<Place, Names>>();

/** Sets of names that are kept for the next reload: a process may live through many edits. */
export const mostNames = 1000;

/** The names of a channel's templates. `fields` are those that `model` takes (undefined where its schema is open), `variables` those that the channel declares, `before` its calls before the submission. */
export function channelNames(
  fields: readonly string[] | undefined,
  variables: readonly string[],
  before: readonly string[] = [],
  model?: string,
): Record<Place, Names> {
  const key = JSON.stringify([fields, variables, before, model]);
  return remembered(known, mostNames, key, () => makeNames(fields, variables, before, model));
}

function makeNames(
  fields: readonly string[] | undefined,
  variables: readonly string[],
  before: readonly string[],
  model: string | undefined,
): Record<Place, Names> {
  const request: Record<string, Name> = {
    request: { about: "The unified request, as the plugins left it.", fields, model },
    size,
    model: ofModel,
    variables: { about: "The channel's own `variables`.", fields: variables },
    base_url: { about: "The channel's address." },
    key: { about: "The key of this call, or its parts." },
    before: { about: "The bodies of the answers to the calls of `before`, by name.", fields: before },
  };
  const answer: Record<string, Name> = {
    ...request,
    ...response,
    submitted: { about: "The body of the answer to the submission." },
    event: { about: "The event's name; only within `stream`." },
    submission: { about: "The whole answer to the submission.", fields: ["status", "headers", "body"] },
  };
  return {
    request: { place: "request and before", variables: request },
    answer: { place: "success, poll, cancel, result and stream", variables: answer },
    image: {
      place: "one picture of result or stream",
      variables: { ...answer, image: { about: "One element of `result.images`." }, index: { about: "Its place in the list, from 0." } },
    },
    errors: { place: "errors", variables: { ...response, model: ofModel } },
    price: {
      place: "price",
      variables: {
        request: { about: "The unified request, as the plugins left it.", fields, model },
        size,
        quality: { about: "The quality that the provider reports, else the one that is asked for, else `auto`." },
        picture: {
          about:
            "The picture that is billed, as it was measured: `width`, `height` and `pixels`, their product. Where its bytes were not seen, the requested size stands for it.",
          fields: ["width", "height", "pixels"],
        },
        model: ofModel,
      },
    },
  };
}

/** The latest pictures of tests in base64. The tests of a file are rendered in one go, and name the same picture many times. */
const pictures = new Map<string, string>();

/** Pictures of tests that are kept to be named again: a process may live through many edits. */
export const mostPictures = 30;

function pictureOf(make: typeof solidPng, width: bigint, height: bigint): string {
  const name = `${make.name} ${width} ${height}`;
  return remembered(pictures, mostPictures, name, () => make(Number(width), Number(height)).toString("base64"));
}

/** Names for a channel's tests: the mock's address, stand-ins for secrets, and small real pictures. */
export const testNames: Names = {
  place: "tests",
  variables: { base_url: { about: "Where the mock provider listens." }, env: { about: "Reads as `env:NAME`." } },
  functions: {
    "png(int, int): string": (width: bigint, height: bigint) => pictureOf(solidPng, width, height),
    "mask(int, int): string": (width: bigint, height: bigint) => pictureOf(halfClearPng, width, height),
  },
};
