// Two processes share a ledger, and one of them is given a key.
import { expect } from "chai";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { channelsWith, inFolder, urlOf, type Process } from "./serve-process.ts";

/** Time within which a revoked key is refused everywhere, in milliseconds: a second, and four by which a busy machine may be late. */
const bound = 5000;

/** Start two gateways with these variables and one folder of data, and see that a key comes and goes in both. `more` judges what they leave. */
export function comesAndGoes(env: Record<string, string> = {}): Promise<void> {
  return inFolder(async (start, folder) => {
    const all = {
      ...(await channelsWith(folder)),
      PICTOR_API_KEYS: "sk-one",
      PICTOR_ADMIN_KEY: "sk-operator",
      PICTOR_DATA: "data",
      ...env,
    };
    const both: Process[] = [start(all, ["serve", "--workers", "0"]), start(all, ["serve", "--workers", "2"])];
    const urls = await Promise.all(both.map(urlOf));
    const admin = async (method: string, path: string, body?: object) => {
      const headers = { authorization: "Bearer sk-operator", "content-type": "application/json" };
      const answer = await fetch(`${urls[0]}/admin/keys${path}`, { method, headers, body: body && JSON.stringify(body) });
      return { status: answer.status, ...((await answer.json()) as { key: string }) };
    };
    const statuses = (key: string) =>
      Promise.all(
        [...urls, ...urls, ...urls].map(async (url) => {
          const headers = { authorization: `Bearer ${key}`, connection: "close" };
          const answer = await fetch(`${url}/v1/models`, { headers });
          await answer.arrayBuffer();
          return answer.status;
        }),
      );
    const { key } = await admin("POST", "", { name: "shop", models: ["demo"] });
    // A key that was added a moment ago is known to every process that is asked.
    expect(new Set(await statuses(key))).to.deep.equal(new Set([200]));
    const rotated = await admin("POST", "/shop/rotate?grace=1h");
    expect(new Set([...(await statuses(key)), ...(await statuses(rotated.key))])).to.deep.equal(new Set([200]));
    await admin("DELETE", "/shop");
    const revoked = performance.now();
    let since = 0;
    // Both keys until both are refused: a worker that was not asked yet may still have to look. After many wrong keys they are not judged any more.
    const taken = async () =>
      [...(await statuses(key)), ...(await statuses(rotated.key))].some((status) => status !== 401 && status !== 429);
    while (await taken()) since = performance.now() - revoked;
    expect(since, "milliseconds for which one was still taken").to.be.below(bound);
    const files = await readdir(join(folder, "data"), { withFileTypes: true, recursive: true });
    const texts = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "latin1")),
    );
    for (const text of [...texts, ...both.flatMap((one) => [one.logged(), one.said()])])
      for (const hidden of [key, rotated.key]) expect(text.includes(hidden)).to.equal(false);
  });
}
