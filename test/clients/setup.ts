import { readFile } from "node:fs/promises";
import OpenAI from "openai";
import { startDemoProvider } from "../../src/demo/server.ts";
import type { Exchange } from "../../src/channels/test-grammar.ts";
import { startMock, type Mock } from "../../src/testing/mock.ts";
import { gatewayWith } from "../helpers/channels.ts";

/** OpenAI's own client before a gateway. */
export function openaiAt({ url, key }: { url: string; key: string }): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
}

/** The gateway with two channels that ship: `demo`, which really draws, and `openai` before a mock. */
export async function startShipped(): Promise<{ url: string; key: string; openai: OpenAI; mock: Mock; close(): Promise<void> }> {
  const [demo, mock] = [await startDemoProvider(), await startMock()];
  const files = {
    "demo.yaml": await readFile("channels/demo.yaml", "utf8"),
    "openai.yaml": await readFile("channels/openai.yaml", "utf8"),
  };
  const env = { DEMO_BASE_URL: demo.url, OPENAI_BASE_URL: mock.url, OPENAI_API_KEY: "sk-upstream" };
  const gateway = await gatewayWith(files, env);
  return {
    url: gateway.url,
    key: gateway.key,
    openai: openaiAt(gateway),
    mock,
    close: async () => {
      await gateway.close();
      await demo.close();
      await mock.close();
    },
  };
}

/** The call for a cat of dall-e-3 as base64, with what the client said of it. */
export function dallE3Call(quality: string, style: string): Exchange["expect"] {
  const json = { model: "dall-e-3", prompt: "a cat", n: 1, size: "1024x1024", quality, style, response_format: "b64_json" };
  return { post: "/images/generations", json };
}

/** The pixels that a PNG says it has. */
export function pixelsOf(png: Uint8Array): string {
  const bytes = Buffer.from(png);
  return bytes.toString("latin1", 1, 4) === "PNG" ? `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}` : "no PNG";
}
