// Reads the JSON documents that channels send with values put in.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Reads a JSON file below the folder of the channels. */
export function documentsOf(folder: string): (name: string) => unknown {
  return (name) => {
    let text: string;
    try {
      text = readFileSync(join(folder, name), "utf8");
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === "ENOENT";
      throw new Error(gone ? `there is no file ${name} beside the channels` : `${name} cannot be read`, { cause: error });
    }
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new Error(`${name} is not JSON`, { cause });
    }
  };
}
