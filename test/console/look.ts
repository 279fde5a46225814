// The console in a real browser: pictures, requests and channels.
import { expect } from "chai";
import { answerPicture, expectAccessible, picture, startConsoleHouse, type ConsoleHouse } from "./house.ts";
import { draw, field, press, result, until } from "./moves.ts";

describe("the console, looked around in", () => {
  let house: ConsoleHouse;
  before(async () => {
    house = await startConsoleHouse();
    const order = (model: string) =>
      fetch(`${house.url}/v1/images/generations`, {
        method: "POST",
        headers: { authorization: `Bearer ${house.keys.client}`, "content-type": "application/json" },
        body: JSON.stringify({ model, prompt: "a cat", response_format: "url" }),
      });
    for (const model of ["demo", "acme-1"]) expect((await order(model)).status).to.equal(200);
    house.provider.answer = (_request, response) => {
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "too dull", code: "dull" } }));
    };
    expect((await order("acme-1")).status).to.equal(400);
    house.provider.answer = (_request, response) => answerPicture(response);
  });
  after(() => house.close());
  afterEach(() => {
    expect(house.faults.splice(0)).to.deep.equal([]);
  });

  it("lists requests, finds one by what it was, and shows its attempts", async () => {
    const page = await house.open("#/requests");
    await page.getByRole("row").nth(1).waitFor();
    await field(page, "State").selectOption("failed");
    await page.getByText("failed", { exact: true }).nth(1).waitFor();
    expect(await page.locator("tbody .state").allInnerTexts()).to.satisfy((states: string[]) =>
      states.every((state) => state === "failed"),
    );
    await expectAccessible(page);
    await page.locator("tbody a").first().click();
    await page.getByRole("alert").getByText("too dull").waitFor();
    await page.getByRole("link", { name: "All requests" }).click();
    await field(page, "Model").fill("none such");
    await field(page, "Model").press("Enter");
    await page.getByText("No request is like that").waitFor();
    await page.context().close();
  });

  it("shows a client its own requests alone, and the operator those of all", async () => {
    const other = await house.open("#/requests", { key: "sk-other-client" });
    await other.getByText("No request is like that").waitFor();
    const operator = await house.open("#/requests", { key: house.keys.operator });
    await operator.getByRole("columnheader", { name: "Client" }).waitFor();
    await operator.getByRole("row").nth(1).waitFor();
    for (const page of [other, operator]) await page.context().close();
  });

  it("shows pictures as small ones, and each with what became of it", async () => {
    const page = await house.open("#/pictures");
    const images: string[] = [];
    page.on("request", (request) => {
      if (request.url().includes("/images/")) images.push(request.url());
    });
    await page.reload();
    await page.locator(".gallery img").first().waitFor();
    await until(page, "document.querySelector('.gallery img').naturalWidth > 0");
    expect(images.filter((url) => !url.endsWith("?thumbnail=true"))).to.deep.equal([]);
    await expectAccessible(page);
    await page.locator(".gallery a").first().click();
    await result(page);
    await press(page, "Edit");
    await page.locator(".strip img").waitFor();
    await page.getByAltText("To be edited").waitFor();
    await page.context().close();
  });

  it("has only the pictures in the page that are seen, of however many, and says which are gone", async () => {
    const page = await house.open();
    const row = (index: number) => ({
      ...{ id: `req_${index}`, object: "request", status: "completed", model: "demo", operation: "generate", n: 1, made: 1 },
      ...{ created_at: 1_795_000_000, expires_at: 1_799_000_000, seconds: 1 },
      pictures: [{ url: `${house.url}/images/${String(index).padStart(32, "x")}`, width: 64, height: 64 }],
    });
    await page.route("**/v1/requests?*", async (route) => {
      const after = new URL(route.request().url()).searchParams.get("after");
      const first = after === null ? 0 : Number(after.slice(4)) + 1;
      const data = Array.from({ length: 100 }, (_, index) => row(first + index));
      await route.fulfill({ json: { object: "list", scope: "own", data, has_more: first + 100 < 5000, last_id: data.at(-1)?.id } });
    });
    const asked = new Set<string>();
    await page.route("**/images/*", async (route) => {
      asked.add(route.request().url());
      await route.fulfill({ contentType: "image/png", body: picture });
    });
    await page.getByRole("link", { name: "Pictures" }).click();
    await page.locator(".gallery img").first().waitFor();
    const all = "document.querySelector('.gallery').getAttribute('aria-label') === '5000 pictures'";
    await until(page, `(scrollTo(0, document.body.scrollHeight), ${all})`);
    expect(await page.locator(".gallery li").count()).to.be.below(80);
    expect(asked.size).to.be.below(4000);
    await page.unroute("**/images/*");
    await page.evaluate("scrollTo(0, document.body.scrollHeight / 2)");
    await page.getByText("No longer stored").first().waitFor();
    await page.context().close();
    house.faults.splice(0); // The browser's own words for pictures that are not there.
  }).timeout(60_000);

  it("shows the operator how channels stand, and what becomes of a request", async () => {
    const page = await house.open("#/channels", { key: house.keys.operator });
    await page.getByRole("region", { name: "Models of acme" }).waitFor();
    await page.getByText("$0.040").first().waitFor();
    await page.getByText("Last day, slowest first").waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: "Explain" }).click();
    await field(page, "Prompt").fill("a cat");
    await page.getByText('"prompt": "a cat"').waitFor();
    await page.context().close();
  });

  it("shows a client which channels are on", async () => {
    const page = await house.open("#/channels");
    await page.getByRole("region", { name: "Models of acme" }).waitFor();
    await expectAccessible(page);
    await page.context().close();
  });

  it("says that it is offline, and goes on when it is not", async () => {
    const page = await house.open("#/requests");
    await page.getByRole("row").nth(1).waitFor();
    await page.context().setOffline(true);
    await page.getByText("This machine is offline").waitFor();
    await field(page, "State").selectOption("completed");
    await page.getByText("The gateway cannot be reached").waitFor();
    await page.context().setOffline(false);
    await page.getByRole("row").nth(1).waitFor();
    house.faults.splice(0); // The browser's own words for what it could not fetch.
    await page.context().close();
  });

  it("adds up what was spent", async () => {
    const page = await house.open("#/usage");
    await page.getByRole("region", { name: "Usage by model" }).getByText("acme-1").waitFor();
    await expectAccessible(page);
    await page.context().close();
  });

  it("gives a friend a key with 5 dollars, which draws until it is revoked", async () => {
    const page = await house.open("#/keys", { key: house.keys.operator });
    await field(page, "Name").fill("a-friend");
    await field(page, "Budget in USD").fill("5");
    await press(page, "Add a key");
    const key = await page.getByLabel("the key", { exact: true }).innerText();
    await page.getByText("$5.00 in total").waitFor();
    await expectAccessible(page);
    const friend = await house.open("", { key: key.trim() });
    await draw(friend, "a cat for a friend");
    await result(friend);
    await press(page, "Revoke");
    await press(page, "Really revoke a-friend");
    await until(page, "!document.querySelector('tbody').innerText.includes('a-friend')");
    // The page may have been refused by itself meanwhile.
    await friend.reload();
    await field(friend, "Key").waitFor();
    house.faults.splice(0); // The browser's own words for the 401.
    for (const one of [friend, page]) await one.context().close();
  });
});
