import { expect } from "chai";
import { usualAddress } from "../../src/process/address.ts";

describe("the gateway that a command calls", () => {
  const cases: [env: Record<string, string>, url: string][] = [
    [{}, "http://127.0.0.1:8080"],
    [{ HOST: "", PORT: " " }, "http://127.0.0.1:8080"],
    [{ PORT: "9000" }, "http://127.0.0.1:9000"],
    [{ HOST: "0.0.0.0", PORT: "9000" }, "http://127.0.0.1:9000"],
    [{ HOST: "::" }, "http://[::1]:8080"],
    [{ HOST: "fd00::7" }, "http://[fd00::7]:8080"],
    [{ HOST: "images.internal" }, "http://images.internal:8080"],
  ];
  for (const [env, url] of cases) it(`is ${url} with ${JSON.stringify(env)}`, () => expect(usualAddress(env)).to.equal(url));
});
