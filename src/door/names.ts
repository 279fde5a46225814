// Lists the names that the expressions of a door may read in each place.
import { testNames, type Name, type Names } from "../expression/names.ts";

/** The places of templates in a door file. */
export type DoorPlace = "request" | "page" | "job" | "answer" | "event" | "errors";

const asked: Record<string, Name> = {
  body: { about: "The body of the client's request; an empty object where it has none.", deep: true },
  path: { about: "The parameters of the path, decoded." },
  query: { about: "The parameters of the query, without the key." },
  headers: { about: "The headers, names in lower case, without the key." },
  kept: { about: "The values that this client last gave to a route with `keep`." },
  default_model: { about: "The model of requests that name none; empty where the operator set none." },
};

const id: Record<string, Name> = { id: { about: "The id of the request." } };

const job: Name = {
  about: "A job: its `id`, its `status` as GET /v1/images/jobs/{id} says it, `progress`, `model`, `created_at`, `expires_at` and `error`.",
  fields: ["id", "status", "progress", "model", "created_at", "expires_at", "channel", "attempts", "error"],
};

const result: Name = {
  about:
    "The pictures, and what the provider says of them. Each of `pictures` has `base64` and `data_uri`, or `url`, and where they are known `type`, `width`, `height`, `revised_prompt` and `metadata`.",
  fields: ["pictures", "errors", "created", "metadata", "size", "quality", "background", "output_format"],
};

const made: Record<string, Name> = {
  ...asked,
  ...id,
  request: { about: "The unified request, as its model's schema filled it in." },
  result,
  usage: { about: "The provider's usage, where it has any." },
  cost: { about: "What the request cost in USD, where that is known." },
  model: { about: "The model.", fields: ["id"] },
  changes: {
    about: "The changes that are reported: `field`, and `what`, or `from` and `to`; `text` has them all as x-pictor-changes does.",
    fields: ["list", "text"],
  },
};

/** The names of each place. */
export const doorNames: Record<DoorPlace, Names> = {
  request: { place: "request, refuse, stream and keep", variables: asked },
  page: {
    place: "page",
    variables: {
      ...asked,
      models: { about: "The models that this client may use, as /v1/models lists them." },
      job: { ...job, about: `${job.about} In a page with \`job\`.` },
      result: { ...result, about: "What the job made, once it is completed, as in `answer`; its pictures have `url` too." },
      usage: { about: "The provider's usage of the job." },
      model: { about: "The model that `model` of the page names, as /v1/models/{id} shows it." },
    },
  },
  job: { place: "accepted", variables: { ...asked, request: made.request as Name, job } },
  answer: { place: "answer", variables: made },
  event: {
    place: "events",
    variables: {
      ...made,
      picture: { about: "The picture of `picture` and `partial`, as those of `result.pictures`." },
      index: { about: "The place of the picture, from 0; of a partial one its number." },
      error: { about: "In `error`: as in `errors`.", fields: ["status", "code", "message", "param", "type", "retry_after"] },
    },
  },
  errors: {
    place: "errors",
    variables: {
      ...id,
      path: asked.path as Name,
      query: asked.query as Name,
      error: {
        about:
          "The error: `status` and `code` as docs/errors.md lists them, `message`, `type`, the field `param` and the seconds `retry_after` where there are any.",
        fields: ["status", "code", "message", "param", "type", "retry_after"],
      },
    },
  },
};

/** Names for a door's tests. */
export const doorTestNames: Names = {
  place: "tests",
  variables: { key: { about: "A key that is good." } },
  functions: testNames.functions,
};
