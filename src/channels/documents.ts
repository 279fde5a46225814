// Reads the JSON documents that channels send with values put in.
import { messageOf } from "../errors.ts";
import { isAbsent, type Texts } from "./texts.ts";

/** Reads a JSON file below the folder of the channels. */
export function documentsOf(texts: Texts): (name: string) => unknown {
  return (name) => {
    let text: Buffer;
    try {
      text = texts.readNow(name);
    } catch (error) {
      throw new Error(isAbsent(error) ? `there is no file ${name} beside the channels` : `${name} cannot be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
    try {
      const value: unknown = JSON.parse(text.toString("utf8"));
      return value;
    } catch (cause) {
      throw new Error(`${name} is not JSON`, { cause });
    }
  };
}
