import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { createPictureFetcher } from "../../src/net/fetch-picture.ts";
import { sniffBytes } from "../../src/picture/sniff.ts";
import {
  all,
  cut,
  failure,
  fetchPicture,
  large,
  magic,
  pictureServer,
  quick,
  small,
  status,
  told,
  trusted,
  unsized,
  whole,
} from "./picture-server.ts";

describe("picture fetcher, failures", () => {
  const server = pictureServer();

  describe("trying again", () => {
    it("comes back after answers that may pass", async () => {
      for (const code of [500, 503, 408, 429]) {
        server.serve(status(code), status(code), whole(small));
        expect(await all(await server.fetch()), String(code)).to.deep.equal(small);
        expect(server.asked).to.equal(3);
      }
    });

    it("gives up after three tries", async () => {
      server.serve(status(503));
      expect(await failure(server.fetch())).to.include({ kind: "failed", message: "the picture's URL answered with status 503" });
      expect(server.asked).to.equal(3);
    });

    it("does not come back after an answer that will not change", async () => {
      for (const code of [400, 403, 404, 410, 204, 206, 304]) {
        server.serve(status(code));
        expect((await failure(server.fetch())).kind).to.equal("bad_response");
        expect(server.asked, String(code)).to.equal(1);
      }
    });

    it("comes back for a while to a fresh URL that answers 404, 403, 425, 202 or nothing, as one does whose picture is not everywhere yet", async () => {
      const fresh = () => fetchPicture(`${server.origin}/a.png`, {}, { trusted, fresh: true });
      for (const late of [status(404), status(403), status(425), status(202), whole(Buffer.alloc(0))]) {
        server.serve(late, late, late, late, whole(small));
        expect(await all(await fresh())).to.deep.equal(small);
        expect(server.asked).to.equal(5);
      }
      server.serve(status(404));
      expect(await failure(fresh())).to.include({ kind: "bad_response" });
      expect(server.asked).to.equal(6);
      server.serve(status(410));
      await failure(fresh());
      expect(server.asked).to.equal(1);
    });

    it("comes back after a connection that was cut or refused", async () => {
      server.serve((request) => request.socket.destroy(), cut(small, 20), whole(small));
      expect(await all(await server.fetch())).to.deep.equal(small);
      expect(server.asked).to.equal(3);
      const closed = http.createServer();
      await once(closed.listen(0, "127.0.0.1"), "listening");
      const { port: free } = closed.address() as AddressInfo;
      await once(closed.close(), "close");
      const refused = await failure(fetchPicture(`http://127.0.0.1:${free}/`, {}, { trusted }));
      expect(refused).to.include({ kind: "failed", message: "the picture could not be downloaded (ECONNREFUSED)" });
    });

    it("waits longer each time", async () => {
      server.serve(status(500), status(500), whole(small));
      const begun = performance.now();
      await all(await server.fetch({ retryDelayMs: 60 }));
      expect(performance.now() - begun).to.be.within(175, 1500);
    });

    it("goes on after a cut in the middle", async () => {
      server.serve(cut(large, 400_000), cut(large, 700_000), told(large));
      const picture = await server.fetch();
      expect((await all(picture)).equals(large)).to.equal(true);
      expect(server.asked).to.equal(3);
    });

    it("goes on after a cut in the middle of compressed bytes", async () => {
      const packed = gzipSync(large);
      const headers = { "content-encoding": "gzip" };
      server.serve(cut(packed, 500_000, headers), told(packed, headers));
      expect((await all(await server.fetch())).equals(large)).to.equal(true);
      expect(server.asked).to.equal(2);
    });

    it("ends with the error when the third try is cut too", async () => {
      server.serve(cut(large, 400_000));
      expect((await failure(all(await server.fetch()))).message).to.match(/could not be downloaded \(E\w+\)$/);
      expect(server.asked).to.equal(3);
    });

    it("takes a length that is too long for a cut", async () => {
      server.serve((request, response) => {
        response.writeHead(200, { "content-length": small.length + 10 });
        response.write(small, () => request.socket.end());
      });
      expect((await failure(server.fetch())).kind).to.equal("failed");
      expect(server.asked).to.equal(3);
    });

    it("never splices two pictures", async () => {
      const other = Buffer.from(large);
      other[1000]! ^= 1;
      const untold = Buffer.concat([large, magic]);
      for (const second of [told(other), told(untold), whole(large.subarray(0, 1000))]) {
        server.serve(cut(large, 400_000), second);
        expect((await failure(all(await server.fetch()))).message).to.contain("changed");
        expect(server.asked).to.equal(2);
      }
      server.serve(cut(large, 400_000, {}), unsized(large.subarray(0, 1000)));
      expect((await failure(all(await server.fetch()))).message).to.contain("changed");
    });
  });

  describe("time", () => {
    it("ends with a server that says nothing, after three tries", async () => {
      server.serve(() => undefined);
      const begun = performance.now();
      expect((await failure(server.fetch({ timeoutMs: 400 }))).kind).to.equal("timeout");
      expect(performance.now() - begun).to.be.within(280, 1500);
      expect(server.asked).to.equal(3);
    });

    it("ends with a server that drips", async () => {
      let drips = 0;
      server.serve((_, response) => {
        response.write(large.subarray(0, sniffBytes));
        const timer = setInterval(() => response.write(large.subarray(0, 1), () => (drips += 1)), 10);
        response.on("close", () => clearInterval(timer));
      });
      const begun = performance.now();
      expect((await failure(server.fetch({ timeoutMs: 800 }).then(all))).kind).to.equal("timeout");
      expect(performance.now() - begun).to.be.within(700, 4000);
      expect(drips).to.be.above(5);
    });

    it("does not blame the server for a slow reader", async () => {
      server.serve(whole(large));
      const picture = await server.fetch({ timeoutMs: 1200 });
      await delay(1300);
      expect((await all(picture)).equals(large)).to.equal(true);
      expect(server.asked).to.equal(1);
    });

    it("uses a connection again", async () => {
      const ports = new Set<number | undefined>();
      server.serve((request, response) => {
        ports.add(request.socket.remotePort);
        response.end(small);
      });
      const fetchPicture = createPictureFetcher(quick);
      for (let time = 0; time < 3; time += 1)
        await all(await fetchPicture(server.origin, { signal: new AbortController().signal, trusted }));
      expect(ports.size).to.equal(1);
    });
  });
});
