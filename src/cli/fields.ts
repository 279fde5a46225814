// Reads a request's fields from a command line.
/** The fields of a request as a command line gives them: `--size 1024x768 --n=2`. A value that is JSON keeps its type. */
export function fieldsOf(words: readonly string[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (let at = 0; at < words.length; at += 1) {
    const [, name, given] = /^--([\w-]+)(?:=(.*))?$/s.exec(words[at] ?? "") ?? [];
    if (name === undefined) throw new Error(`${words[at]} is no field; write --size 1024x768`);
    const value = given ?? words[(at += 1)];
    if (value === undefined) throw new Error(`--${name} needs a value`);
    fields[name.replaceAll("-", "_")] = valueOf(value);
  }
  return fields;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
