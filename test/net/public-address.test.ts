// Tests which addresses count as public.
import { expect } from "chai";
import { isPublic } from "../../src/net/public-address.ts";

describe("an address", () => {
  it("is public where anybody reaches it", () => {
    for (const address of [
      "8.8.8.8",
      "1.1.1.1",
      "172.32.0.1",
      "100.128.0.1",
      "2606:4700::1111",
      "2a00:1450:4001::1",
      "2001:4860:4860::8888",
    ])
      expect(isPublic(address), address).to.equal(true);
  });

  it("is not where it is none, or holds another in itself", () => {
    for (const address of ["", "localhost", "8.8.8", "::8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::", "fe80::1%lo"])
      expect(isPublic(address), address).to.equal(false);
  });
});
