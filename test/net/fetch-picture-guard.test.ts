import type { LookupFunction } from "node:net";
import { expect } from "chai";
import { all, failure, fetchPicture, pictureServer, small, status, trusted, whole } from "./picture-server.ts";

describe("picture fetcher, the guard", () => {
  const server = pictureServer();

  describe("public addresses only", () => {
    const literals = [
      "127.0.0.1",
      "localhost",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "127.1",
      "0.0.0.0",
      "0",
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
    ];
    literals.push(
      "10.0.0.1",
      "192.168.1.1",
      "172.16.0.1",
      "169.254.169.254",
      "100.64.0.1",
      "[fd00::1]",
      "[fe80::1]",
      "[64:ff9b::7f00:1]",
      "[2002:7f00:1::]",
      "[::7f00:1]",
      "[64:ff9b:1::7f00:1]",
      "[2001:0:7f00:1::]",
      "[2001:db8::1]",
      "[ff02::1]",
      "0.1.2.3",
      "198.18.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "168.63.129.16",
      "100.100.100.200",
      "[fd00:ec2::254]",
    );
    for (const host of literals) {
      it(`refuses ${host}`, async () => {
        server.serve(whole(small));
        for (const scheme of ["http", "https"]) {
          const { kind, message } = await failure(fetchPicture(`${scheme}://${host}:${server.port}/a.png`));
          expect(kind).to.equal("bad_response");
          expect(message).to.contain("not public");
        }
        expect(server.asked).to.equal(0);
      });
    }

    const answering =
      (...answers: { address: string; family: number }[][]): LookupFunction =>
      (_, options, callback) => {
        const list = answers.length > 1 ? answers.shift()! : answers[0]!;
        setImmediate(() => (options.all ? callback(null, list) : callback(null, list[0]!.address, list[0]!.family)));
      };
    const inside = { address: "127.0.0.1", family: 4 };
    // A public address in the wrong family: the guard lets it pass, and the connection fails before a packet is sent.
    const outside = { address: "2606:4700::1111", family: 4 };

    it("refuses a name that resolves to a private address", async () => {
      server.serve(whole(small));
      expect((await failure(fetchPicture(`http://pictures.test:${server.port}/`, { lookup: answering([inside]) }))).message).to.contain(
        "not public",
      );
      expect(
        (await failure(fetchPicture(`http://pictures.test:${server.port}/`, { lookup: answering([outside, inside]) }))).message,
      ).to.contain("not public");
      expect(server.asked).to.equal(0);
    });

    it("refuses a name of which only one address is private", async () => {
      server.serve(whole(small));
      const lookup = answering([outside, inside]);
      expect((await failure(fetchPicture(`http://pictures.test:${server.port}/`, { lookup }))).message).to.contain("not public");
    });

    it("does not trust a host once a stranger's redirect has led there", async () => {
      server.serve(status(302, { location: "/stranger" }), status(302, { location: "/trusted" }), whole(small));
      const rule = { trusted: (url: URL) => url.pathname !== "/stranger" };
      const isWeb = (url: URL) => url.pathname === "/stranger";
      expect((await failure(fetchPicture(`${server.origin}/trusted`, { isWeb }, rule))).message).to.contain("not public");
      expect(server.asked).to.equal(2);
    });

    it("refuses a name that was public when first asked", async () => {
      server.serve(whole(small));
      const lookup = answering([outside], [inside]);
      expect((await failure(fetchPicture(`http://pictures.test:${server.port}/`, { lookup }))).message).to.contain("not public");
      expect(server.asked).to.equal(0);
    });

    it("lets a trusted name be private, and judges the same name again where it is not trusted", async () => {
      server.serve((request, response) =>
        request.url === "/a" ? response.end(small) : response.writeHead(302, { location: "/untrusted" }).end(),
      );
      const lookup = answering([inside]);
      expect(await all(await fetchPicture(`http://pictures.test:${server.port}/a`, { lookup }, { trusted }))).to.deep.equal(small);
      const rule = { trusted: (url: URL) => url.pathname !== "/untrusted" };
      expect((await failure(fetchPicture(`http://pictures.test:${server.port}/b`, { lookup }, rule))).message).to.contain("not public");
      expect(server.asked).to.equal(2);
    });

    it("refuses a redirect to a private address", async () => {
      for (const host of ["localhost", "127.0.0.1", "[::1]", "2130706433"]) {
        server.serve(status(302, { location: `http://${host}:${server.port}/secret` }));
        const rule = { trusted: (url: URL) => url.pathname === "/a.png" };
        expect((await failure(fetchPicture(`${server.origin}/a.png`, {}, rule))).message, host).to.contain("not public");
        expect(server.asked).to.equal(1);
      }
    });

    it("refuses other schemes, credentials and what is not a URL", async () => {
      for (const url of ["file:///etc/passwd", "ftp://example.com/a.png", "data:image/png;base64,YWJj", "a.png", "", "http://"]) {
        expect((await failure(fetchPicture(url))).message, url).to.contain("http://");
      }
      expect((await failure(fetchPicture("http://user@example.com/"))).message).to.contain("user name");
      expect((await failure(fetchPicture("http://:secret@example.com/"))).message).to.contain("user name");
      server.serve(status(302, { location: "file:///etc/passwd" }));
      expect((await failure(server.fetch())).message).to.contain("http://");
    });
  });

  describe("redirects", () => {
    it("follows a few, also relative ones", async () => {
      const way = [301, 303, 308].map((code) => status(code, { location: "next" }));
      server.serve(...way, whole(small));
      expect(await all(await server.fetch())).to.deep.equal(small);
      expect(server.asked).to.equal(4);
    });

    it("does not run in circles", async () => {
      server.serve(status(307, { location: "/a.png" }));
      expect((await failure(server.fetch())).message).to.contain("more than 3 times");
      expect(server.asked).to.equal(4);
    });

    it("does not take a redirect to nowhere for a picture", async () => {
      server.serve(status(302));
      expect((await failure(server.fetch())).message).to.contain("status 302");
    });
  });
});
