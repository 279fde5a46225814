// Reads the version of the package.
import { readFileSync } from "node:fs";

const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");

/** The version of this package. */
export const { version } = JSON.parse(text) as { version: string };

/** The name that the operator's own commands call a gateway with. */
export const agent = `pictor/${version}`;
