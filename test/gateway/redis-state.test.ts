import { expect } from "chai";
import pino from "pino";
import { createRedisState } from "../../src/gateway/redis-state.ts";
import { rawProvider } from "../helpers/provider.ts";
import { until } from "../http/setup.ts";

// With a real server: test/redis/run.sh.
describe("a shared state that cannot be reached", () => {
  it("is every instance's own from the first moment, and told once", async () => {
    const gone = await rawProvider(() => undefined);
    await gone.close();
    const log: string[] = [];
    const state = createRedisState(gone.url.replace("http", "redis"), pino({}, { write: (line: string) => void log.push(line) }), {
      lease: 30,
    });
    try {
      expect(state.standing()).to.equal("alone");
      const leave = await state.enter("a", 1);
      expect(await state.enter("a", 1)).to.equal(undefined);
      leave?.();
      expect(await state.enter("a", 1)).to.be.a("function");
      expect(await state.take("b", 2, 2)).to.equal(0);
      expect(await state.take("b", 1, 2)).to.be.within(1, 60_000);
      await state.giveBack("b", 1, 2);
      expect(await state.take("b", 1, 2)).to.equal(0);
      expect(await state.claim("c", 1000)).to.equal(true);
      state.onReport(() => expect.fail("nobody tells anything"));
      for (const report of ["tried", "well", { coolDown: 10, failures: 1, named: false }] as const) state.report("c", report);
      await until(() => log.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(log).to.have.length(1);
      expect(log[0]).to.contain("goes on by itself");
    } finally {
      await state.close();
    }
  });
});
