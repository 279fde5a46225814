// The longest silence within a body, as gateway.yaml has it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { serve } from "../../src/process/serve.ts";
import { dial, wire } from "../http/setup.ts";
import { channelsWith, inFolder } from "./serve-process.ts";

describe("the longest silence within a body", () => {
  it("is what gateway.yaml says, also after a reload", () =>
    inFolder(async (_, folder) => {
      const file = join(folder, "gateway.yaml");
      await writeFile(file, "server: { body_idle: 100ms }\n");
      const env = { PORT: "0", LOG_LEVEL: "silent", PICTOR_API_KEYS: "sk-one", PICTOR_DATA: join(folder, "data") };
      const { url, close, reload } = await serve({ ...env, ...(await channelsWith(folder)), PICTOR_CONFIG: file }, () => undefined);
      try {
        const silent = async () => {
          const socket = await dial(url);
          socket.write(wire("/v1/images/generations", "sk-one", "{}").slice(0, -1));
          return text(socket);
        };
        expect(await silent()).to.match(/^HTTP\/1\.1 400 [^]*"the body did not arrive: nothing came for 0\.1 seconds"/);
        await writeFile(file, "server: { body_idle: 200ms }\n");
        await reload();
        expect(await silent()).to.contain("nothing came for 0.2 seconds");
      } finally {
        await close();
      }
    }));
});
