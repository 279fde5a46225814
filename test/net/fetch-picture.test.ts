import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { sniffBytes } from "../../src/picture/sniff.ts";
import { until } from "../http/setup.ts";
import {
  all,
  failure,
  fetchPicture,
  type Handler,
  large,
  magic,
  pictureServer,
  small,
  status,
  told,
  trusted,
  unsized,
} from "./picture-server.ts";

describe("picture fetcher", () => {
  const server = pictureServer();

  describe("what arrives", () => {
    it("is the exact bytes, head first, with size and media type", async () => {
      for (const bytes of [small, large, Buffer.concat([magic, randomBytes(sniffBytes - magic.length)])]) {
        server.serve(told(bytes));
        const picture = await server.fetch();
        expect(picture).to.include({ size: bytes.length, mediaType: "image/png" });
        expect(picture.head).to.deep.equal(bytes.subarray(0, sniffBytes));
        expect((await all(picture)).equals(bytes)).to.equal(true);
      }
    });

    it("is unpacked, and then has no size", async () => {
      server.serve(told(gzipSync(large), { "content-encoding": "gzip" }));
      const picture = await server.fetch();
      expect(picture.size).to.equal(undefined);
      expect((await all(picture)).equals(large)).to.equal(true);
    });

    it("must be an image", async () => {
      const others = [
        Buffer.from("<!doctype html><title>Sign in</title>"),
        Buffer.alloc(0),
        Buffer.from("<rss></rss>"),
        Buffer.alloc(200_000),
      ];
      for (const body of others) {
        server.serve(told(body, { "content-type": "image/png" }));
        expect((await failure(server.fetch())).message).to.contain("did not answer with an image");
        expect(server.asked).to.equal(1);
      }
    });

    it("may be a TIFF where a client sends it, and not where a provider does", async () => {
      const tiff = Buffer.from("II*\0\x08\0\0\0", "latin1");
      server.serve(told(tiff));
      expect((await failure(server.fetch())).message).to.contain("did not answer with an image");
      const { signal } = new AbortController();
      const picture = await fetchPicture(`${server.origin}/a.png`, {}, { signal, trusted, input: true });
      expect([picture.mediaType, await all(picture)]).to.deep.equal(["image/tiff", tiff]);
    });

    it("may not be larger than the cap, told or untold", async () => {
      server.serve(told(large));
      expect((await failure(server.fetch({ maxBytes: 100_000 }))).message).to.contain("larger than");
      server.serve(unsized(large));
      expect((await failure(server.fetch({ maxBytes: 100_000 }).then(all))).message).to.contain("larger than");
    });

    it("may not be endless", async () => {
      let open = true;
      server.serve((_, response) => {
        response.on("close", () => (open = false));
        response.write(magic);
        const more = () => {
          while (open && response.write(Buffer.alloc(100_000)));
        };
        response.on("drain", more);
        more();
      });
      expect((await failure(server.fetch({ maxBytes: 3_000_000 }).then(all))).message).to.contain("larger than");
      await until(() => !open);
      expect(server.asked).to.equal(1);
    });

    it("may not unpack to more than the cap", async () => {
      const bomb = gzipSync(Buffer.concat([magic, Buffer.alloc(30_000_000)]));
      server.serve(told(bomb, { "content-encoding": "gzip" }));
      expect((await failure(server.fetch({ maxBytes: 1_000_000 }).then(all))).message).to.contain("larger than");
    });
  });

  describe("stopping", () => {
    const stopped = new Error("the client is gone");
    async function abortedAt(moment: (controller: AbortController) => void | Promise<void>): Promise<unknown> {
      const controller = new AbortController();
      const fetched = fetchPicture(`${server.origin}/a.png`, { retryDelayMs: 10_000 }, { signal: controller.signal, trusted }).then(all);
      const ended = fetched.catch((error: unknown) => error);
      await moment(controller);
      controller.abort(stopped);
      const begun = performance.now();
      const error = await ended;
      expect(performance.now() - begun).to.be.below(1500);
      return error;
    }

    it("ends at once, whatever is going on", async () => {
      let closed = 0;
      const hang: Handler = (_, response) => void response.on("close", () => (closed += 1));
      server.serve(hang);
      expect(await abortedAt(() => undefined), "before it is sent").to.equal(stopped);
      expect(await abortedAt(() => until(() => server.asked > 0)), "waiting for the answer").to.equal(stopped);
      await until(() => closed === server.asked);
      server.serve(status(500));
      expect(await abortedAt(async () => delay(50)), "between two tries").to.equal(stopped);
      server.serve((_, response) => void response.write(small));
      expect(await abortedAt(async () => delay(50)), "waiting for the head").to.equal(stopped);
      server.serve((_, response) => void response.write(large));
      expect(await abortedAt(async () => delay(50)), "waiting for the rest").to.equal(stopped);
    });

    it("does not begin when it is over already", async () => {
      const error = await fetchPicture(server.origin, {}, { signal: AbortSignal.abort(stopped), trusted }).catch(
        (reason: unknown) => reason,
      );
      expect(error).to.equal(stopped);
    });

    it("ends a stream that nobody reads, without a sound", async () => {
      let closed = false;
      server.serve((_, response) => void response.on("close", () => (closed = true)).write(large));
      const controller = new AbortController();
      const { stream } = await fetchPicture(server.origin, {}, { signal: controller.signal, trusted });
      controller.abort(stopped);
      await until(() => closed);
      expect(stream).to.include({ destroyed: true, errored: stopped });
    });

    it("lets go of the connection when the stream is destroyed", async () => {
      let closed = 0;
      server.serve((_, response) => void response.on("close", () => (closed += 1)).write(large));
      const idle = await server.fetch();
      idle.stream.destroy();
      const busy = await server.fetch();
      const reading = buffer(busy.stream).catch((error: unknown) => error);
      await until(() => busy.stream.readableDidRead);
      busy.stream.destroy();
      expect(await reading).to.have.property("code", "ERR_STREAM_PREMATURE_CLOSE");
      await until(() => closed === 2);
    });

    it("lets go of the connection when the picture is none", async () => {
      let closed = false;
      server.serve((_, response) => void response.on("close", () => (closed = true)).write(Buffer.alloc(sniffBytes)));
      await failure(server.fetch());
      await until(() => closed);
    });
  });
});
