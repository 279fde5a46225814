// The console in a real browser: each part's main path.
import { expect } from "chai";
import sharp from "sharp";
import { solidPng } from "../../src/picture/png.ts";
import { answerPicture, expectAccessible, picture, startConsoleHouse, type ConsoleHouse } from "./house.ts";
import { choose, draw, factOf, field, press, result, until } from "./moves.ts";

describe("the console", () => {
  let house: ConsoleHouse;
  before(async () => {
    house = await startConsoleHouse();
  });
  after(() => house.close());
  beforeEach(() => {
    house.provider.answer = (_request, response) => answerPicture(response);
    house.provider.forms = [];
  });
  afterEach(() => {
    expect(house.faults.splice(0)).to.deep.equal([]);
  });

  it("turns away a key that is not one, and says so", async () => {
    const page = await house.open("", { key: "" });
    await expectAccessible(page);
    await field(page, "Key").fill("sk-wrong");
    await press(page, "Open");
    await page.getByRole("alert").getByText("the API key is not one of this gateway's").waitFor();
    expect(house.faults.splice(0)).to.have.length(1); // The browser's own word for the 401.
    await page.context().close();
  });

  it("draws, and shows what was changed and what it cost", async () => {
    const page = await house.open();
    await page.getByText("Nothing is drawn yet").waitFor();
    await choose(page, "demo");
    await field(page, "Prompt").fill("a lighthouse");
    await field(page, "Size").selectOption("16:9");
    await page.getByText("costs $0").waitFor();
    await press(page, "Draw");
    await result(page);
    expect(await factOf(page, "Size")).to.equal("16:9 asked, 1920x1080 made");
    expect(await factOf(page, "Changes")).to.equal("size 16:9 → 1920x1080");
    expect(await factOf(page, "Why that size")).to.equal(
      "16:9 is a shape, and demo takes pixels: these are the ones that it has for this shape",
    );
    expect(await factOf(page, "Cost")).to.equal("$0, by the pictures made");
    expect(await factOf(page, "Attempts")).to.equal("demo ok");
    await expectAccessible(page);
    await page.context().close();
  });

  it("shows the same request in its forms, and the provider's for the operator alone", async () => {
    const page = await house.open();
    await choose(page, "acme-1");
    await field(page, "Prompt").fill("it's a cat");
    await page.getByText("This request elsewhere").click();
    await page.getByText(`"prompt":"it'\\''s a cat"`).waitFor();
    await page.getByRole("tab", { name: "openai" }).click();
    await page.getByText(`prompt: "it's a cat"`).waitFor();
    await page.getByRole("tab", { name: "openai" }).press("ArrowRight");
    await page.getByText(`"model": "acme-1"`).waitFor();
    await page.getByRole("tab", { name: "Provider" }).click();
    await page.getByText("is shown with the operator's key").waitFor();
    await expectAccessible(page);
    await page.context().close();
  });

  it("shows unfinished pictures and the seconds so far, and goes on after a reload", async () => {
    let finish = () => {};
    house.provider.answer = (_request, response) => {
      const event = (type: string, more: object) =>
        response.write(`data: ${JSON.stringify({ type: `image_generation.${type}`, b64_json: picture.toString("base64"), ...more })}\n\n`);
      response.writeHead(200, { "content-type": "text/event-stream" });
      // A picture that came before the page looked is not shown to it, so there are several.
      const sketching = setInterval(() => event("partial_image", { partial_image_index: 0 }), 300);
      finish = () => {
        clearInterval(sketching);
        event("completed", {});
        response.end();
      };
    };
    const page = await house.open();
    await draw(page, "a slow cat", "acme-1");
    await page.getByAltText("Unfinished picture").waitFor();
    await page.getByRole("timer").getByText(/\d s$/).waitFor();
    await page.reload();
    await page.getByRole("timer").waitFor();
    expect(await field(page, "Prompt").inputValue()).to.equal("a slow cat");
    finish();
    await result(page);
    await page.context().close();
  });

  it("edits with a drawn mask: the provider receives exactly those pixels", async () => {
    const page = await house.open();
    await choose(page, "acme-1");
    await field(page, "Prompt").fill("another sky");
    await page.locator("input[type=file]").setInputFiles({ name: "cat.png", mimeType: "image/png", buffer: picture });
    await press(page, "Draw a mask");
    const canvas = page.locator("dialog canvas");
    await until(page, "document.querySelector('dialog canvas').width === 640");
    await expectAccessible(page);
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + box.width / 4, box.y + box.height / 4);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 4, { steps: 4 });
    await page.mouse.up();
    await press(page, "Use this mask");
    await page.getByText("masked").waitFor();
    await page.getByText("costs $0.040").waitFor();
    const drawn = page.waitForRequest((request) => request.url().endsWith("/v1/images/edits"));
    await press(page, "Edit");
    await drawn;
    await result(page);
    const parts = house.provider.forms.at(-1)!;
    const image = parts.find(({ name }) => name === "image")!;
    expect(Buffer.compare(image.content, picture)).to.equal(0);
    const mask = parts.find(({ name }) => name === "mask")!;
    const { data, info } = await sharp(mask.content).ensureAlpha().extractChannel("alpha").raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).to.deep.equal([640, 480]);
    const alpha = (x: number, y: number) => data[y * 640 + x];
    // The brush is a tenth of the shorter side, 48 pixels, along y 120 from x 160 to x 320.
    for (const x of [160, 200, 240, 280, 320]) for (const y of [100, 120, 140]) expect(alpha(x, y), `${x},${y}`).to.equal(0);
    for (const [x, y] of [
      [240, 90],
      [240, 150],
      [130, 120],
      [350, 120],
      [0, 0],
      [639, 479],
    ] as const)
      expect(alpha(x, y), `${x},${y}`).to.equal(255);
    await page.context().close();
  });

  it("explains a request that failed, and leads to it", async () => {
    house.provider.answer = (_request, response) => {
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "this prompt is too dull", code: "dull", type: "invalid_request_error" } }));
    };
    const page = await house.open();
    await draw(page, "a dull cat", "acme-1");
    await page.getByRole("alert").getByText("this prompt is too dull").waitFor();
    expect(await factOf(page, "State")).to.equal("failed");
    expect(await factOf(page, "Attempts")).to.match(/^acme /);
    await expectAccessible(page);
    await page.context().close();
  });

  it("refuses beforehand what the model does not take, at its field", async () => {
    const page = await house.open();
    await choose(page, "demo");
    await field(page, "Prompt").fill("a cat");
    await field(page, "Number of pictures").fill("99");
    await page.locator(".is-wrong").getByText("n must be at most 10").waitFor();
    expect(house.faults.splice(0).length).to.be.greaterThan(0); // The browser's own word for the 400.
    await page.context().close();
  });

  it("is drawn with by the keyboard alone", async () => {
    const page = await house.open();
    await field(page, "Model").waitFor();
    await field(page, "Model").focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.type("demo");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.type("a cat by keys");
    await page.keyboard.press("Control+Enter");
    await result(page);
    await page.context().close();
  });

  it("keeps the key in its tab, and draws in two tabs at once, in each its own picture", async () => {
    const held: (() => void)[] = [];
    house.provider.answer = (_request, response, body) => {
      const { prompt } = JSON.parse(body.toString()) as { prompt: string };
      held.push(() => answerPicture(response, solidPng(prompt === "a wide one" ? 800 : 400, 400)));
      if (held.length === 2) for (const answer of held.reverse()) answer();
    };
    const first = await house.open();
    const second = await house.open("", { context: first.context(), key: "" });
    await field(second, "Key").waitFor();
    await field(second, "Key").fill(house.keys.client);
    await press(second, "Open");
    await choose(first, "acme-1");
    await field(first, "Size").selectOption("16:9");
    await draw(first, "a wide one", "acme-1");
    await draw(second, "a square one", "acme-1");
    for (const [page, size, prompt] of [
      [first, "16:9 asked, 800x400 made", "a wide one"],
      [second, "400x400", "a square one"],
    ] as const) {
      await result(page);
      expect(await factOf(page, "Size")).to.equal(size);
      expect(await factOf(page, "Prompt")).to.equal(prompt);
      expect(await page.evaluate("Object.keys(localStorage).length + document.cookie.length")).to.equal(0);
    }
    expect(await factOf(first, "Why that size")).to.equal("nothing was changed on the way: the provider of acme made it in this size");
    await first.context().close();
  });

  it("keeps the pictures to start from and the mask over a reload, and forgets them with the key", async () => {
    const page = await house.open();
    await choose(page, "acme-1");
    await field(page, "Prompt").fill("another sky");
    const files = page.locator("input[type=file]");
    await files.setInputFiles([1, 2].map((index) => ({ name: `cat-${index}.png`, mimeType: "image/png", buffer: picture })));
    await press(page, "Draw a mask");
    await page.locator("dialog canvas").click();
    await press(page, "Use this mask");
    await page.getByText("masked").waitFor();
    await until(page, "sessionStorage.getItem('pictor-images').includes('mask')");
    await page.reload();
    await page.getByText("masked").waitFor();
    await until(page, "[...document.querySelectorAll('.strip img')].filter(({ naturalWidth }) => naturalWidth === 640).length === 2");
    const drawn = page.waitForRequest((request) => request.url().endsWith("/v1/images/edits"));
    await press(page, "Edit");
    await drawn;
    await result(page);
    const parts = house.provider.forms.at(-1)!;
    expect(parts.map(({ name }) => name)).to.include.members(["image[]", "mask"]);
    for (const { content } of parts.filter(({ name }) => name === "image[]")) expect(Buffer.compare(content, picture)).to.equal(0);
    await press(page, "Client · change key");
    await field(page, "Key").fill("sk-other-client");
    await press(page, "Open");
    await page.getByText("Nothing is drawn yet").waitFor();
    expect(await field(page, "Prompt").inputValue()).to.equal("");
    expect(await page.locator(".strip img").count()).to.equal(0);
    await page.context().close();
  });

  it("says after a reload which pictures were too large to be kept", async () => {
    const page = await house.open();
    await choose(page, "acme-1");
    const buffer = Buffer.concat([picture, Buffer.alloc(3_500_000)]);
    await page.locator("input[type=file]").setInputFiles({ name: "cat.png", mimeType: "image/png", buffer });
    await page.locator(".strip img").waitFor();
    await page.reload();
    await page
      .getByRole("status")
      .getByText("The picture was too large to be kept while the page was loaded again: add it once more.")
      .waitFor();
    await expectAccessible(page);
    await page.context().close();
  });

  for (const colorScheme of ["light", "dark"] as const)
    it(`fits a phone, in the ${colorScheme}`, async () => {
      const page = await house.open("", { viewport: { width: 360, height: 740 }, colorScheme });
      await draw(page, "a small cat");
      await result(page);
      expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(360);
      await expectAccessible(page);
      await page.context().close();
    });
});
