import { expect } from "chai";
import { NotStored } from "../../src/picture/store.ts";
import { Readable } from "node:stream";
import { ProviderFailure } from "../../src/errors.ts";
import { solidPng } from "../../src/picture/png.ts";
import { bytes, failureOf, run, url } from "./run.ts";

const png = solidPng(8, 8);
const own = (number: number) => ({ kind: "url", url: `https://own.example/${number}`, own: true, bytes: png.length });

describe("rehost", () => {
  it("keeps what came as a URL, for as long as it is told to", async () => {
    const { result, stored } = await run("rehost", { life: 600 }, {}, () => ({ pictures: [url("1"), bytes(png)] }));
    expect(result.pictures.map(({ data }) => data)).to.deep.equal([own(1), bytes(png).data]);
    expect(stored).to.deep.equal([{ bytes: png, life: 600 }]);
  });

  it("keeps base64 too where it is told to, or the client asked for URLs", async () => {
    for (const [options, request] of [
      [{ only: "all" }, {}],
      [{}, { response_format: "url" }],
    ] as const) {
      const { result, stored } = await run("rehost", options, request, () => ({ pictures: [bytes(png)] }));
      expect([result.pictures[0]?.data, stored]).to.deep.equal([own(1), [{ bytes: png, life: undefined }]]);
    }
  });

  it("keeps what a conversion made of a URL", async () => {
    const { result } = await run("rehost", {}, {}, () => ({ pictures: [{ ...bytes(png), cameAsUrl: true as const }] }));
    expect(result.pictures[0]?.data).to.deep.equal(own(1));
  });

  it("leaves alone what is kept already, and all of it where base64 is asked for", async () => {
    const kept = { data: { kind: "url" as const, url: "https://own.example/7", own: true as const } };
    const { result, fetched } = await run("rehost", {}, {}, () => ({ pictures: [kept] }));
    expect([result.pictures, fetched]).to.deep.equal([[kept], []]);
    const asked = await run("rehost", { only: "all" }, { response_format: "b64_json" }, () => ({ pictures: [url("1"), bytes(png)] }));
    expect([asked.stored, asked.result.pictures]).to.deep.equal([[], [url("1"), bytes(png)]]);
  });

  it("leaves a URL alone that is good for long enough, unless it shows the key", async () => {
    const until = (seconds: number) => Date.now() + seconds * 1000;
    const pictures = [{ ...url("1"), expires: until(900) }, { ...url("2"), expires: until(60) }, url("3")];
    const secret = { data: { kind: "url" as const, url: "https://a.example/4?key=k", secret: true as const }, expires: until(900) };
    const { result } = await run("rehost", { good_for: 600 }, {}, () => ({ pictures: [...pictures, secret] }));
    expect(result.pictures.map(({ data }) => data)).to.deep.equal([url("1").data, own(1), own(2), own(3)]);
    const { result: all } = await run("rehost", {}, {}, () => ({ pictures }));
    expect(all.pictures.map(({ data }) => data)).to.deep.equal([own(1), own(2), own(3)]);
  });

  it("gives the provider's URL where there can be no copy, and says so", async () => {
    const { result } = await run("rehost", {}, {}, () => ({ pictures: [url("gone"), url("2")] }));
    expect(result.pictures.map(({ data }) => data)).to.deep.equal([url("gone").data, own(1)]);
    expect(result.errors).to.deep.equal([
      { message: "a picture could not be kept, and is as the provider gave it: gone", code: "bad_upstream_response" },
    ]);
  });

  it("does not tell a client what is wrong with the disk", async () => {
    const { result } = await run("rehost", {}, {}, () => ({ pictures: [url("1")] }), {
      store: { save: () => Promise.reject(new Error("ENOSPC: /srv/pictures")) },
    });
    expect(result.errors[0]).to.deep.include({ code: "internal_error" });
    expect(result.errors[0]?.message).to.equal("a picture could not be kept, and is as the provider gave it: internal error");
  });

  it("fails the request where that is wanted, or the client is gone", async () => {
    const failing = run("rehost", { partial: "fail" }, {}, () => ({ pictures: [url("gone"), url("2")] }));
    expect(await failureOf(failing)).to.be.instanceOf(ProviderFailure);
    const leaving = run("rehost", {}, {}, () => ({ pictures: [url("gone")] }), { signal: AbortSignal.abort() });
    expect(await failureOf(leaving)).to.be.instanceOf(ProviderFailure);
  });

  it("gives a picture that arrived as it came where the disk is full", async () => {
    const stream = { data: { kind: "stream" as const, head: png, stream: Readable.from([]) } };
    const store = { save: () => Promise.reject(new NotStored("full")) };
    const { result } = await run("rehost", { only: "all" }, {}, () => ({ pictures: [stream] }), { store });
    expect(result.pictures.map(({ data }) => data)).to.deep.equal([{ kind: "bytes", bytes: png }]);
    expect(result.errors[0]).to.include({ code: "insufficient_storage" });
  });

  it("ends a download that nothing came of", async () => {
    const stream = new Readable({ read: () => undefined });
    await run("rehost", {}, {}, () => ({ pictures: [url("1")] }), {
      fetchPicture: () => Promise.resolve({ kind: "stream", head: png, stream, mediaType: "image/png" }),
      store: { save: () => Promise.reject(new Error("no folder")) },
    });
    expect(stream.destroyed).to.equal(true);
  });
});
