// The reference of gateway.yaml.
import { reference, rowsOf } from "./channels.ts";
import { gatewayFileSchema } from "../../src/process/gateway-schema.ts";

/** An operator's file with every part of it; a test loads it. */
const example = `keys:
  - name: mobile-app # the log names it
    key: \${env.MOBILE_APP_KEY} # off while it is not set
    models: [gpt-image-*, flux-3-image]
    images_per_minute: 60
    concurrency: 8
    jobs: 5000 # that wait or are under way
    budget: [{ usd: 20, per: day }, { usd: 300, per: month }] # in UTC
    unpriced: refuse # what nobody knows the price of
  - name: studio
    key: sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b # printf %s "$KEY" | sha256sum
    expires: 2027-06-30
    may_pin: true
    may_webhook: [orders]
  - name: agency
    key: \${env.AGENCY_KEY}
    may_webhook: any # also URLs of its own
    webhook_secret: \${env.AGENCY_WEBHOOK_SECRET}

webhooks: # jobs name them
  - name: orders
    url: https://shop.example/hooks/pictures
    secret: \${env.ORDERS_WEBHOOK_SECRET} # echo "whsec_$(openssl rand -base64 32)"
    previous_secret: \${env.ORDERS_WEBHOOK_OLD_SECRET} # while the one above takes its place
    events: [image.job.completed, image.job.failed]

default_model: gpt-image-2.6-flare # for requests that name none

fallback: # only where no channel of the model can serve a request, and it is told
  gpt-image-2.6-flare: [flux-3-image]

routing:
  sharing: least_in_flight
  timeout: 12m

ledger:
  keep: 2160h # the rows of requests, 90 days
  keep_answers: 48h # for how long a request that is sent again under its key is answered

jobs:
  at_once: 100 # in each process; the others wait

server:
  headers_timeout: 10s
  connections: 10000
`;

/** The page of `gateway.yaml`: every key of its schema. */
export function gatewayPage(): string {
  return [
    "# gateway.yaml",
    "What outgrows environment variables stands in `gateway.yaml` beside the folder of the channels, or in the working directory where `PICTOR_CHANNELS` is not set; `PICTOR_CONFIG` names another. It need not be there. `pictor check` tells every mistake with file, line and column, and a running gateway reads it anew as it does the channels: all of it, or nothing while something is wrong.",
    ["```yaml", example.trimEnd(), "```"].join("\n"),
    reference(rowsOf(gatewayFileSchema.properties)),
    "A client's key is never kept or logged, only its SHA-256. `pictor keys add` makes keys that stand in no file ([client keys](operate.md#client-keys)). Keys of `PICTOR_API_KEYS`, and the one that is made where there is none, may use every model without limits, and name a channel and every webhook, but no URL; with `keys: []` none is made. A key that has expired gets a 401 that says so, a model that a key may not use a 403, and `/v1/models` lists those it may.",
  ].join("\n\n");
}
