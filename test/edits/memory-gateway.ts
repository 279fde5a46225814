import { gatewayWith } from "../helpers/channels.ts";

const [base = ""] = process.argv.slice(2);

const channel = `
description: A provider of these tests.
extends: openai-images
base_url: ${base}
models:
  gpt-image-1: {}
plugins: [image-inputs]
`;

/** Kilobytes at most since the start. */
const peak = () => process.resourceUsage().maxRSS;

const gateway = await gatewayWith({ "acme.yaml": channel });
process.on("message", () => process.send?.(peak()));
process.on("disconnect", () => void gateway.close().then(() => process.exit()));
process.send?.({ url: gateway.url, key: gateway.key });
