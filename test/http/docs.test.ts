import { expect } from "chai";
import { startHouse, type House } from "./setup.ts";

describe("http: the documentation page", () => {
  let house: House;
  before(async () => {
    house = await startHouse();
  });
  after(() => house.close());

  it("is HTML of its own, and lets the browser load from no other host", async () => {
    const response = await fetch(`${house.url}/docs`);
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-type")).to.equal("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy"))
      .to.match(/^default-src 'self';/)
      .and.not.include("http");
    expect(await response.text()).not.to.match(/https?:|\/\/\w/);
  });

  it("has all that it loads, as what the browser wants it to be", async () => {
    for (const page of ["/docs", "/docs/"]) {
      const response = await fetch(house.url + page);
      const names = [...(await response.text()).matchAll(/(?:href|src)="(docs[^"]+)"/g)].map(([, name]) => String(name));
      expect(names).to.have.length(3);
      for (const name of names) {
        const asset = await fetch(new URL(name, response.url));
        expect(asset.status, name).to.equal(200);
        expect(asset.headers.get("content-type"), name).to.equal(
          name.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
        );
        expect((await asset.text()).length, name).to.be.greaterThan(50);
      }
      expect(await (await fetch(new URL("docs/start.js", response.url))).text()).to.include('url: "openapi.json"');
      expect((await fetch(new URL("openapi.json", response.url))).status).to.equal(200);
    }
  });
});
