// Wrong keys are counted by address, and from some number on no more are judged.
import { expect } from "chai";
import { createGuesses, guessWindow, mostGuessers, mostGuesses } from "../../src/http/guesses.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";
import { errorOf, startHouse, until, type House } from "./setup.ts";

describe("http: guessed keys", () => {
  for (const [sentence, one, other, isSame] of [
    ["an address", "192.0.2.1", "192.0.2.1", true],
    ["another address", "192.0.2.1", "192.0.2.2", false],
    ["an address written as IPv6", "192.0.2.1", "::ffff:192.0.2.1", true],
    ["another one written as IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false],
    ["a site's addresses", "2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", true],
    ["a site's addresses, written otherwise", "2001:0DB8:0:0::1", "2001:db8::2", true],
    ["another site's", "2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["the site of no bits", "::1", "::2:3", true],
    ["no addresses", "unknown", "192.0.2.1:1234", true],
  ] as const)
    it(`counts ${sentence} ${isSame ? "as one" : "by itself"}`, () => {
      const guesses = createGuesses(() => 0);
      for (let guess = 1; guess <= mostGuesses; guess += 1) {
        expect(guesses.wait(one)).to.equal(undefined);
        expect(guesses.count(one)).to.equal(guess === mostGuesses);
      }
      expect(guesses.wait(other)).to.equal(isSame ? guessWindow / 1000 : undefined);
    });

  it("judges again after a minute, also where more were counted meanwhile", () => {
    let now = 5;
    const guesses = createGuesses(() => now);
    for (let guess = 0; guess < 2 * mostGuesses; guess += 1) guesses.count("192.0.2.1");
    now += guessWindow - 1;
    expect(guesses.wait("192.0.2.1")).to.equal(1);
    now += 1;
    expect(guesses.wait("192.0.2.1")).to.equal(undefined);
    expect(guesses.count("192.0.2.1")).to.equal(false);
  });

  it("forgets the oldest of too many addresses", () => {
    const guesses = createGuesses(() => 0);
    const full = (address: string) => {
      for (let guess = 0; guess < mostGuesses; guess += 1) guesses.count(address);
    };
    full("192.0.2.1");
    full("192.0.2.2");
    for (let index = 0; index < mostGuessers - 1; index += 1) guesses.count(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
    expect(guesses.wait("192.0.2.1")).to.equal(undefined);
    expect(guesses.wait("192.0.2.2")).to.equal(60);
  });

  describe("at the gateway", () => {
    let house: House;
    beforeEach(async () => {
      house = await startHouse(undefined, {
        keys: {
          ...createClientKeys(["sk-one"]),
          seek: (key) => Promise.resolve(key === "pk-late" ? house.gateway.keys.find("sk-one") : undefined),
        },
        adminKey: "the-operators",
        trustProxy: true,
      });
    });
    afterEach(() => house.close());

    const call = (path: string, key: string | undefined, { from = "192.0.2.1", method = "GET" } = {}) =>
      fetch(house.url + path, {
        method,
        headers: { "x-forwarded-for": from, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      });
    const statuses = async (path: string, key: string | undefined, times: number, from?: string) => {
      const all = new Set<number>();
      for (let time = 0; time < times; time += 1) {
        const response = await call(path, key, { from });
        await response.arrayBuffer();
        all.add(response.status);
      }
      return [...all];
    };

    for (const path of ["/admin/keys", "/v1/requests", "/v1/models"])
      it(`answers a guesser at ${path} with 429, and judges no more of its keys`, async () => {
        expect(await statuses(path, "guess", mostGuesses)).to.deep.equal([401]);
        const refused = await call(path, "guess");
        const { message } = await errorOf(refused, 429, "rate_limit_exceeded");
        expect(message).to.match(/^too many wrong keys came from this address; send the right one again in \d+ seconds$/);
        expect(Number(refused.headers.get("retry-after"))).to.be.within(50, 60);
        await until(() => house.log.some(({ address, level }) => address === "192.0.2.1" && level === 40));
        // The right guess is told from a wrong one nowhere.
        for (const elsewhere of ["/admin/channels", "/v1/usage"])
          await errorOf(await call(elsewhere, "the-operators"), 429, "rate_limit_exceeded");
        expect(await (await call("/readyz", "the-operators")).json()).not.to.have.property("ledger");
        expect(await (await call("/readyz", "the-operators")).text()).to.equal(await (await call("/readyz", undefined)).text());
        // A client whose key is known works on, and so does everybody at other addresses.
        expect(await statuses("/v1/models", "sk-one", 1)).to.deep.equal([200]);
        expect(await statuses("/v1/models", "the-operators", 1, "192.0.2.2")).to.deep.equal([200]);
        // A forwarded address that the client wrote itself stands before the proxy's.
        await errorOf(await call(path, "guess", { from: "198.51.100.7, 192.0.2.1" }), 429, "rate_limit_exceeded");
      });

    it("keeps no operator out where a client goes on with a wrong key", async () => {
      expect(await statuses("/v1/images/jobs", "sk-lost", mostGuesses)).to.deep.equal([401]);
      await errorOf(await call("/v1/images/jobs", "sk-lost"), 429, "rate_limit_exceeded");
      await errorOf(await call("/v1/images/jobs", "the-operators"), 429, "rate_limit_exceeded");
      expect(await statuses("/v1/models", "the-operators", 1)).to.deep.equal([200]);
    });

    it("counts guesses at /readyz, which itself is never refused", async () => {
      expect(await statuses("/readyz", "guess", mostGuesses + 1)).to.deep.equal([200]);
      await errorOf(await call("/admin/channels", "the-operators"), 429, "rate_limit_exceeded");
    });

    it("counts no request without a key, none with a client's, and none with the operator's", async () => {
      expect(await statuses("/v1/models", undefined, mostGuesses + 1)).to.deep.equal([401]);
      expect(await statuses("/admin/channels", undefined, mostGuesses + 1)).to.deep.equal([401]);
      expect(await statuses("/admin/channels", "sk-one", mostGuesses + 1)).to.deep.equal([401]);
      expect(await statuses("/readyz", "sk-one", mostGuesses + 1)).to.deep.equal([200]);
      expect(await statuses("/v1/models", "pk-late", mostGuesses + 1)).to.deep.equal([200]);
      expect(await statuses("/admin/channels", "the-operators", mostGuesses + 1)).to.deep.equal([200]);
    });
  });

  it("takes the connection's address where no proxy is trusted", async () => {
    const house = await startHouse();
    try {
      const call = (from: number) =>
        fetch(`${house.url}/v1/models`, { headers: { authorization: "Bearer guess", "x-forwarded-for": `192.0.2.${from}` } });
      for (let guess = 0; guess < mostGuesses; guess += 1) await errorOf(await call(guess), 401, "invalid_api_key");
      await errorOf(await call(99), 429, "rate_limit_exceeded");
    } finally {
      await house.close();
    }
  });
});
