// How to solve each error, for docs/errors.md.
import type { ErrorCode } from "../../src/errors.ts";

/** What each code means to a client, and how it is solved. */
export const errorTexts: Record<ErrorCode, { meaning: string; solve: string }> = {
  missing_required_parameter: { meaning: "A field that the model needs is missing.", solve: "Send the field that `param` names." },
  invalid_type: {
    meaning: "A field has a value of the wrong JSON type.",
    solve: "Send the type that the message names; texts are not turned into numbers.",
  },
  invalid_value: {
    meaning: "A value is not one that the model or its provider takes, such as a size.",
    solve: "Choose one that the message names, or see `/v1/models/{id}/schema`.",
  },
  unknown_parameter: {
    meaning: "The model has no such field, or none of its channels can honour it.",
    solve: "Check the spelling against the message, or leave the field out.",
  },
  integer_below_min_value: { meaning: "A number is too small.", solve: "Send at least what the message names." },
  integer_above_max_value: {
    meaning: "A number is too large.",
    solve: "Send at most what the message names; for more pictures send several requests.",
  },
  string_above_max_length: { meaning: "A text is too long, counted in code points.", solve: "Shorten it to what the message names." },
  empty_string: { meaning: "A text is empty that must not be.", solve: "Fill it, or leave the field out if it is optional." },
  invalid_json: { meaning: "The body is not JSON, or not an object.", solve: "Send one JSON object." },
  invalid_image_file: { meaning: "An input image cannot be read.", solve: "Send PNG, JPEG or WebP, as the message says." },
  content_policy_violation: {
    meaning: "The provider's moderation refused the prompt or the picture.",
    solve: "Change the prompt; the same request will be refused again.",
  },
  invalid_api_key: {
    meaning: "The `authorization` header is missing or holds no key of this gateway, or one that has expired.",
    solve: "Send `authorization: Bearer <key>` with a key of `gateway.yaml` or `PICTOR_API_KEYS`, or the one printed at the start.",
  },
  model_not_allowed: { meaning: "This key may not use this model.", solve: "Use another model, or ask the operator." },
  channel_not_allowed: {
    meaning: "This key may not choose its channel.",
    solve: "Leave the header `x-pictor-channel` out, or ask the operator.",
  },
  model_not_found: {
    meaning: "No channel that is on serves this model.",
    solve: "Choose one of `/v1/models`. The operator sees at the start which channels are off, and why.",
  },
  not_found: {
    meaning: "There is nothing at this path, or a stored picture's life is over.",
    solve: "See `/docs` for the paths; make the picture again.",
  },
  method_not_allowed: { meaning: "The path takes another method.", solve: "Use one that the `allow` header names." },
  request_too_large: { meaning: "The body is larger than is accepted.", solve: "Send smaller images, or give them as URLs." },
  unsupported_media_type: { meaning: "The body is of another type than is understood.", solve: "Send `content-type: application/json`." },
  rate_limit_exceeded: { meaning: "Too many requests for now.", solve: "Wait for the seconds in `retry-after`." },
  insufficient_quota: { meaning: "The client's quota is used up.", solve: "Wait for the seconds in `retry-after`, or ask the operator." },
  internal_error: {
    meaning: "A mistake of the gateway's own; its text is in the log only.",
    solve: "Report it with the `x-request-id` of the answer.",
  },
  api_not_implemented: { meaning: "No channel offers this operation.", solve: "Use `/v1/images/generations`." },
  upstream_error: {
    meaning: "The provider failed, or refused the gateway's own account.",
    solve: "Try again later. The operator finds the reason in the log: a wrong key, an empty account, an outage.",
  },
  bad_upstream_response: {
    meaning: "The provider answered with something that was not understood.",
    solve: "Try again; if it lasts, the channel's `result` or `errors` no longer fit the provider.",
  },
  no_channel_available: {
    meaning: "Every channel of the model is unable to take the request now.",
    solve: "Wait for the seconds in `retry-after`.",
  },
  shutting_down: {
    meaning: "This instance of the gateway ends, and the request could not finish in time.",
    solve: "Send the request again; the picture may have been made and paid for.",
  },
  upstream_timeout: {
    meaning: "The provider did not finish in time. The picture may have been made and paid for.",
    solve: "Ask for less, or let the operator raise the channel's `limits.timeout`.",
  },
  insufficient_storage: {
    meaning: "The gateway has neither disk nor memory left for the request's pictures.",
    solve: "Try again after the seconds in `retry-after`; the operator sees it in `/readyz` and the metrics.",
  },
};
