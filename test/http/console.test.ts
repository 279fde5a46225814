// The console's page, and what it loads.
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { errorOf, startHouse, type House } from "./setup.ts";

describe("http: the console", () => {
  let house: House;
  before(async () => {
    house = await startHouse();
  });
  after(() => house.close());

  const get = (path: string, headers: Record<string, string> = {}) => fetch(house.url + path, { headers });
  const scriptsOf = (page: string) => [...page.matchAll(/(?:href|src)="(console\/[^"]+)"/g)].map(([, name]) => `/${name}`);

  it("is led to from /, where nothing runs", async () => {
    const response = await get("/");
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-security-policy")).to.include("script-src 'none'");
    expect(await response.text())
      .to.include('href="console"')
      .and.include('href="docs"');
  });

  it("is a page that runs nothing but what is ours, and names what stands in it by its hash", async () => {
    const response = await get("/console");
    const page = await response.text();
    const [, map = ""] = /<script type="importmap">(.*)<\/script>/.exec(page) ?? [];
    const policy = response.headers.get("content-security-policy");
    expect(policy).to.include(`script-src 'self' 'sha256-${createHash("sha256").update(map).digest("base64")}';`);
    expect(policy).to.include("default-src 'none'").and.not.include("unsafe");
    expect(page).not.to.match(/https?:|<style|\son\w+=|style="/);
    const { imports } = JSON.parse(map) as { imports: Record<string, string> };
    for (const file of Object.values(imports)) expect((await get(file.slice(1))).status, file).to.equal(200);
  });

  it("is found with a slash behind it, and below a prefix by relative addresses", async () => {
    expect((await get("/console/")).url).to.equal(`${house.url}/console`);
    expect(await (await get("/console")).text()).not.to.match(/(?:href|src)="\//);
  });

  it("loads assets that a browser may keep for good, compressed, and 60 KB of script at most", async () => {
    const paths = scriptsOf(await (await get("/console")).text());
    let script = 0;
    for (const path of new Set(paths)) {
      const response = await get(path, { "accept-encoding": "br" });
      expect(response.status, path).to.equal(200);
      expect(response.headers.get("cache-control")).to.equal("public, max-age=31536000, immutable");
      expect(response.headers.get("content-type")).to.match(path.endsWith(".css") ? /^text\/css/ : /^text\/javascript/);
      expect(response.headers.get("content-encoding")).to.equal("br");
      if (!path.endsWith(".css")) script += Number(response.headers.get("content-length"));
    }
    expect(paths.length).to.be.greaterThan(10);
    expect(script).to.be.greaterThan(5_000).and.below(60_000);
  });

  it("says each asset's bytes in whatever form the browser takes", async () => {
    const path = scriptsOf(await (await get("/console")).text()).find((name) => name.endsWith("console.css"))!;
    const bodies = await Promise.all(["identity", "gzip", "br"].map((encoding) => get(path, { "accept-encoding": encoding })));
    const texts = await Promise.all(bodies.map((body) => body.text()));
    expect(new Set(texts).size).to.equal(1);
    expect(gunzipSync(Buffer.from(await rawOf(house.url + path))).toString()).to.equal(texts[0]);
  });

  it("is not sent again while it is the same", async () => {
    const etag = (await get("/console")).headers.get("etag")!;
    const again = await get("/console", { "if-none-match": etag, "cache-control": "max-age=0" });
    expect([again.status, await again.text()]).to.deep.equal([304, ""]);
  });

  it("has nothing under another version, nor outside of its folder", async () => {
    for (const path of ["/console/0000/main.js", "/console/main.js", "/console/..%2f..%2fpackage.json", `/console/${"x".repeat(300)}`])
      await errorOf(await get(path), 404, "not_found");
  });

  it("is not there where the operator wants none", async () => {
    const plain = await startHouse(undefined, { hasConsole: false });
    try {
      expect((await fetch(`${plain.url}/console`)).status).to.equal(404);
      expect(await (await fetch(plain.url)).text()).not.to.include("console");
    } finally {
      await plain.close();
    }
  });
});

/** The bytes of a gzip answer as they are on the wire. */
async function rawOf(url: string): Promise<Buffer> {
  const { get } = await import("node:http");
  const { buffer } = await import("node:stream/consumers");
  return new Promise((resolve, reject) => {
    get(url, { headers: { "accept-encoding": "gzip" } }, (response) => void buffer(response).then(resolve, reject)).on("error", reject);
  });
}
