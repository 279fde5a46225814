// What the bodies of many providers' failures mean.
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { parse } from "yaml";
import { usualFailure } from "../../src/dialect/failure.ts";
import { usualOf } from "../../src/dialect/usual.ts";

interface Row {
  status: number;
  headers?: Record<string, string>;
  body: unknown;
  class: string;
  /** Whether a picture may have been made. */
  made: boolean;
  /** Whether the operator has to act. */
  operator?: true;
  param?: string;
  code?: string;
  message?: string;
  location?: string;
  retry_after?: number;
}

const rows = parse(await readFile("test/dialect/failures.yaml", "utf8")) as Row[];

describe("a provider's failure", () => {
  for (const row of rows) {
    it(`${row.status} ${JSON.stringify(row.body).slice(0, 100)} ${JSON.stringify(row.headers ?? {})} is ${row.class}`, () => {
      const { kind, message, details } = usualFailure(usualOf({ headers: {}, ...row }));
      expect({ kind, made: !details.notAccepted, operator: details.misconfigured, retryAfter: details.retryAfter }).to.deep.equal({
        kind: row.class,
        made: row.made,
        operator: row.operator,
        retryAfter: row.retry_after,
      });
      if (row.message !== undefined) expect(message).to.equal(row.message);
      for (const name of ["param", "code", "location"] as const) if (row[name] !== undefined) expect(details[name]).to.equal(row[name]);
    });
  }

  it("is tried with the headers of rate limits as moments too", () => {
    const at = Date.now() + 20_000;
    for (const reset of [String(at), String(Math.ceil(at / 1000))]) {
      const { details } = usualFailure(usualOf({ status: 429, headers: { "x-ratelimit-reset": reset }, body: {} }));
      expect(details.retryAfter).to.be.within(18, 21);
    }
  });
});
