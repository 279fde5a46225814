import { expect } from "chai";
import { InputImage } from "../../src/picture/input.ts";
import { clone, freeze } from "../../src/plugin/clone.ts";

const image = new InputImage({ data: { kind: "bytes", bytes: Buffer.from("x") }, field: "image", name: "a.png" });

describe("clone and freeze", () => {
  it("copy and close objects and lists to any depth, and share images", () => {
    const request = { prompt: "a cat", style: { list: [{ a: 1 }] }, images: [image], none: null };
    freeze(request);
    const copy = clone(request);
    expect(copy).to.deep.equal(request);
    expect(copy.images[0]).to.equal(image);
    copy.style.list[0]!.a = 2;
    copy.images.push(image);
    expect(request.style.list).to.deep.equal([{ a: 1 }]);
    expect(() => (request.style.list[0]!.a = 3)).to.throw(TypeError);
    expect(() => request.images.push(image)).to.throw(TypeError);
  });
});
