// Tests that a Redis that stalls costs nobody a place.
import { expect } from "chai";
import pino from "pino";
import { createRedisState } from "../../src/gateway/redis-state.ts";
import type { SharedState } from "../../src/gateway/shared-state.ts";
import { until } from "../http/setup.ts";
import { startStandIn, type StandIn } from "./redis-stand-in.ts";

describe("a shared state that stalls", () => {
  let server: StandIn;
  let states: [SharedState, SharedState];
  beforeEach(async () => {
    server = await startStandIn();
    const make = () => createRedisState(server.url, pino({ level: "silent" }));
    states = [make(), make()];
    await until(() => states.every((state) => state.standing() === "shared"));
  });
  afterEach(async () => {
    for (const state of states) await state.close();
    await server.close();
  });

  it("blocks no places by what it is late to carry out", async () => {
    const [one, other] = states;
    const go = server.stall();
    for (let round = 0; round < 3; round += 1) {
      const leave = await Promise.all(Array.from({ length: 3 }, () => one.enter("a", 3)));
      for (const place of leave) {
        expect(place).to.be.a("function");
        place?.();
      }
    }
    expect(one.standing()).to.equal("alone");
    go();
    await until(() => one.standing() === "shared" && server.places().every((count) => count === 0));
    const places = await Promise.all(Array.from({ length: 3 }, () => other.enter("a", 3)));
    expect(places.filter((place) => place !== undefined)).to.have.length(3);
    for (const place of places) place?.();
  });

  it("counts what still runs, and not twice, as soon as it is back", async () => {
    const [one, other] = states;
    const before = await one.enter("a", 3);
    const go = server.stall();
    const during = await one.enter("a", 3);
    go();
    await until(() => one.standing() === "shared" && server.places().includes(2));
    const last = await other.enter("a", 3);
    expect(last).to.be.a("function");
    expect(await other.enter("a", 3)).to.equal(undefined);
    for (const leave of [before, during, last]) leave?.();
    await until(() => server.places().every((count) => count === 0));
    expect(await other.enter("a", 1)).to.be.a("function");
  });

  it("is sent nothing more before it has answered", async () => {
    const [one] = states;
    const go = server.stall();
    await one.enter("a", 300);
    const received = server.received();
    const places = await Promise.all(Array.from({ length: 200 }, () => one.enter("a", 300)));
    for (const leave of places) leave?.();
    expect(server.received()).to.equal(received);
    go();
  });

  it("does not keep an instance from its own places", async () => {
    const [one] = states;
    for (let round = 0; round < 3; round += 1) {
      const go = server.stall();
      const leave = await one.enter("a", 1);
      expect(leave).to.be.a("function");
      leave?.();
      go();
      await until(() => one.standing() === "shared");
      const again = await one.enter("a", 1);
      expect(again).to.be.a("function");
      again?.();
    }
  });
});
