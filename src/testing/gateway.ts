// Starts a whole gateway for tests and mocks.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { createRouting } from "../gateway/routing.ts";
import { createApp } from "../http/app.ts";
import { createClientKeys } from "../http/client-keys.ts";
import type { Gateway } from "../http/gateway.ts";
import { createMetrics } from "../http/metrics.ts";
import { createPictureFetcher } from "../net/fetch-picture.ts";
import { createSpool } from "../picture/spool.ts";
import { openFolderStore } from "../picture/folder-store.ts";
import { passOn } from "../trace.ts";

/** The whole gateway on a port of its own, with a store that goes away with it. */
export interface TestGateway {
  url: string;
  /** A client key that it takes. */
  key: string;
  gateway: Gateway;
  /** The folder of what it keeps, and in `tmp` of what it spools. */
  data: string;
  close(): Promise<void>;
}

/** Start a gateway on loopback. Everything but the table may be left out; `isWeb` says which private addresses clients may name all the same. */
export async function startGateway({
  isWeb,
  ...parts
}: Pick<Gateway, "table"> & Partial<Gateway> & { isWeb?: (url: URL) => boolean }): Promise<TestGateway> {
  const key = "sk-test";
  const data = await mkdtemp(join(tmpdir(), "pictor-test-"));
  const store = await openFolderStore({ folder: data, life: 3600 });
  const spool = createSpool({ folder: join(data, "tmp") });
  const gateway: Gateway = {
    routing: createRouting(),
    keys: createClientKeys([key]),
    store,
    spool,
    fetchPicture: createPictureFetcher({ retryDelayMs: 1, isWeb }),
    log: pino({ level: "silent" }),
    traces: passOn(),
    metrics: createMetrics(),
    ...parts,
  };
  const answer = createApp(gateway).callback();
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key,
    gateway,
    data,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      await spool.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}
