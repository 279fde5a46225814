// Measures how soon each part of the console can be used, from the first byte that is asked for. Prints it, and judges nothing: machines differ.
import { startConsoleHouse } from "./house.ts";

const parts: [part: string, used: string][] = [
  ["draw", "#prompt"],
  ["pictures", ".gallery, .empty"],
  ["requests", ".filters select"],
  ["channels", ".channel table"],
  ["usage", ".sum, .empty"],
  ["keys", "form input"],
];

/** Loads of each part; the middle one counts. */
const loads = 5;

const house = await startConsoleHouse();
for (const [part, used] of parts) {
  const key = part === "draw" ? house.keys.client : house.keys.operator;
  const page = await house.open(`#/${part}`, { key });
  await page.locator(used).first().waitFor();
  await page.addInitScript(`
    new MutationObserver((_, observer) => {
      if (!document.querySelector(${JSON.stringify(used)})) return;
      observer.disconnect();
      document.documentElement.dataset.usable = performance.now();
    }).observe(document, { childList: true, subtree: true });
  `);
  const times: number[] = [];
  for (let load = 0; load < loads; load += 1) {
    await page.reload();
    await page.locator("[data-usable]").waitFor({ state: "attached" });
    times.push(Number(await page.locator("html").getAttribute("data-usable")));
  }
  times.sort((one, other) => one - other);
  console.log(`${part.padEnd(9)} usable after ${Math.round(times[Math.floor(loads / 2)] ?? NaN)} ms`);
  await page.context().close();
}
await house.close();
