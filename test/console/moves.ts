// The moves of a person in the console.
import type { Page } from "playwright-core";

/** The control of this name. */
export const field = (page: Page, name: string) => page.getByLabel(name, { exact: true });
/** Press the button of this name. */
export const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
/** The value beside a name, in the facts of a request. */
export const factOf = (page: Page, name: string) =>
  page
    .locator(".facts > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) })
    .locator("dd")
    .innerText();

/** Choose a model by its name. */
export async function choose(page: Page, model: string) {
  await field(page, "Model").click();
  await field(page, "Model").fill(model);
  await field(page, "Model").press("Enter");
}

/** Have a picture drawn. */
export async function draw(page: Page, prompt: string, model = "demo") {
  await choose(page, model);
  await field(page, "Prompt").fill(prompt);
  await press(page, "Draw");
}
/** Wait for the picture of a request. */
export const result = (page: Page) => page.locator(".result img").first().waitFor();

/** Wait until an expression holds in the page, looked at before each of its frames. The page's own policy forbids the library's way to do that. */
export async function until(page: Page, expression: string): Promise<void> {
  const wait = `(async () => { while (!(${expression})) await new Promise(requestAnimationFrame); return true; })()`;
  const bound = page.waitForTimeout(25_000).then(() => false);
  if (!(await Promise.race([page.evaluate<boolean>(wait), bound]))) throw new Error(`it never came true: ${expression}`);
}
