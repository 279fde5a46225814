// How to solve each error, for docs/errors.md.
import type { ErrorCode } from "../../src/errors.ts";
import { malformed, unreadable } from "../../src/http/malformed.ts";

/** What each code means to a client, and how it is solved. */
export const errorTexts: Record<ErrorCode, { meaning: string; solve: string }> = {
  missing_required_parameter: { meaning: "A field that the model needs is missing.", solve: "Send the field that `param` names." },
  invalid_type: {
    meaning: "A field has a value of the wrong JSON type.",
    solve: "Send the type that the message names; texts are not turned into numbers.",
  },
  invalid_value: {
    meaning:
      "A value is not one that the model or its provider takes, such as a size. The status is 416 for a `Range` outside of a stored picture, and 417 for a header `Expect` that is not understood.",
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
  invalid_json: { meaning: "The body is not JSON, not an object, or has too many values.", solve: "Send one JSON object." },
  invalid_image_file: {
    meaning: "An input image or mask is missing, damaged, of a format that is not understood, or cannot be fetched.",
    solve: "Read the message: it names the image and what is wrong. Send PNG, JPEG, WebP, GIF, AVIF or TIFF; SVG is never taken.",
  },
  content_policy_violation: {
    meaning: "The provider's moderation refused the prompt or the picture.",
    solve: "Change the prompt; the same request will be refused again.",
  },
  conflict: {
    meaning: "For the operator: the name of a key is taken, the key stands in `gateway.yaml`, or another changed it at the same moment.",
    solve: "Choose another name, change the file, or send the request again, as the message says.",
  },
  cancelled: { meaning: "The request was cancelled.", solve: "Send a new request." },
  no_longer_kept: {
    meaning: "The picture was made, and is not kept any more.",
    solve: "Order another, with a new `Idempotency-Key` where there was one.",
  },
  idempotency_key_reused: {
    meaning: "This `Idempotency-Key` was sent before, with another request.",
    solve: "Send a new key with each new request, and the same request with the same key.",
  },
  ledger_unavailable: {
    meaning:
      "The gateway's database cannot be reached, so that it could not promise to order once, or does not know the key. Nothing was ordered.",
    solve:
      "Wait for `retry-after`, then send the request again. One without `Idempotency-Key` is served meanwhile, unless its key has a budget.",
  },
  invalid_api_key: {
    meaning: "The request carries no key of this gateway, or one that has expired or was revoked.",
    solve:
      "Send `authorization: Bearer <key>` with a key of `gateway.yaml` or `PICTOR_API_KEYS`, one that `pictor keys add` made, or the one printed at the start.",
  },
  model_not_allowed: {
    meaning: "This key may not use this model, or only models with a price where this request has none that is known beforehand.",
    solve: "Use another model, or ask the operator.",
  },
  channel_not_allowed: {
    meaning: "This key may not choose its channel.",
    solve: "Leave the header `x-pictor-channel` out, or ask the operator.",
  },
  model_not_found: {
    meaning: "No channel that is on serves this model, or its provider has shut it down.",
    solve:
      "Choose one of `/v1/models`, or the successor that the message names. The operator sees at the start which channels are off, and why.",
  },
  not_found: {
    meaning: "There is nothing at this path, or a stored picture's life is over.",
    solve: "See `/docs` for the paths; make the picture again.",
  },
  method_not_allowed: { meaning: "The path takes another method.", solve: "Use one that the `allow` header names." },
  request_too_large: { meaning: "The body is larger than is accepted.", solve: "Send smaller images, or give them as URLs." },
  unsupported_media_type: {
    meaning: "The body's content type, charset or content encoding is not understood.",
    solve: "Send JSON as `application/json`, or a form as `multipart/form-data`, in UTF-8.",
  },
  rate_limit_exceeded: {
    meaning:
      "A limit of the key, the channel or the provider is reached, or the channel's queue is full. Or too many wrong keys came from this address, and no more are judged for a minute.",
    solve: "Wait for the seconds in `retry-after`. Where `x-should-retry` is false the picture may have been made and paid for.",
  },
  insufficient_quota: {
    meaning: "The request can cost more than what is left of a budget of the key. Nothing was ordered.",
    solve:
      "The message says what is left and when the budget begins anew; ask for less, or ask the operator. Sent again before, it is refused again.",
  },
  internal_error: {
    meaning: "A mistake of the gateway's own; its text is in the log only.",
    solve: "Report it with the `x-request-id` of the answer.",
  },
  api_not_implemented: {
    meaning: "The operation does not exist here, as variations do not.",
    solve: "Send the picture to `/v1/images/edits` with a prompt that says what may change.",
  },
  upstream_error: {
    meaning: "The provider failed, or refused the gateway's own account. The status is 503 where the provider is overloaded.",
    solve: "Retry where `x-should-retry` is true. The operator finds the reason in the log: a wrong key, an empty account, an outage.",
  },
  bad_upstream_response: {
    meaning: "The provider's answer was not understood, or its picture was cut or broken.",
    solve:
      "Fetch the picture where the message names its URL. Order again if you accept to pay twice; if it lasts, the channel's `result` or `errors` no longer fit the provider.",
  },
  no_channel_available: {
    meaning: "No channel of the model can take the request, or the queue for converting pictures is full. Nothing was ordered.",
    solve: "Wait for the seconds in `retry-after` where the answer has that header; otherwise tell the operator.",
  },
  store_unavailable: {
    meaning: "The gateway's own store of pictures cannot be reached. What is kept there is as it was.",
    solve: "Ask again in a few seconds. Operators: the log and `pictor_store_writable` say since when; see PICTOR_STORE.",
  },
  shutting_down: {
    meaning: "This instance of the gateway is stopping, and the request could not finish in time.",
    solve: "Retry where `x-should-retry` is true; where it is false the picture may have been made and paid for.",
  },
  upstream_timeout: {
    meaning: "The provider did not finish in time. The picture may have been made and paid for.",
    solve:
      "Where the message names `GET /v1/requests/{id}`, ask there. Otherwise ask for less, or have the channel's `limits.timeout` raised.",
  },
  insufficient_storage: {
    meaning: "The gateway has neither disk nor memory left for the request's pictures.",
    solve: "Try again after the seconds in `retry-after`; the operator sees it in `/readyz` and the metrics.",
  },
};

const remedies: Record<string, string> = {
  "431": "Send fewer or shorter headers.",
  "408": "Send the whole request without long pauses.",
  "405": "Send requests to the gateway's own address; it is not a proxy.",
  "400": "Send HTTP/1.1.",
};

/** What is answered to requests that never became one: status, message and remedy. Throws an Error for a status without a remedy. */
export function withoutCode(): string[][] {
  return [malformed, ...Object.values(unreadable)].map(({ line, message }) => {
    const [status = ""] = line.split(" ");
    const remedy = remedies[status];
    if (remedy === undefined) throw new Error(`tools/docs/errors.ts does not say what to do about ${line}`);
    return [status, message, remedy];
  });
}
