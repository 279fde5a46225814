// Examples of expressions.
/** Functions of our own by their signature, and what they do. */
export const ownFunctions: Record<string, string> = {
  "rx(string, string): bool": "Whether a pattern (RE2: no lookaround, no backreference) is found in a text.",
  "string.replace(string, string): string": "The text with every occurrence of one text replaced by another.",
  "round(double): int": "The nearest whole number.",
  "sum(list): double": "The sum of a list of numbers.",
  "flatten(list): list": "A list of lists as one list.",
  "json(string): dyn": "What a JSON text holds.",
  "uuid(): string": "A new random UUID.",
  "now(): int": "The time, in Unix seconds.",
  "random(int): int": "A random whole number from 0, below the one given.",
  "file(string): string": "The content of a file, such as a mounted secret, without the line's end.",
  "png(int, int): string": "A real PNG of this size, as base64.",
  "mask(int, int): string": "The same with its left half transparent: a mask of what may change.",
};

/** What the examples below read. */
export const exampleScope = {
  request: { prompt: "a cat", n: 2 },
  size: { text: "1024x768", width: 1024, height: 768, ratio: "4:3" },
  body: { data: [{ url: "https://a.example/1.png" }, { b64_json: "iVBO" }], code: 0 },
};

/** Expressions with what they give for the scope above; a test evaluates each. `undefined` leaves the key out. */
export const examples: readonly [expression: string, gives: unknown, about: string][] = [
  ["request.prompt", "a cat", "A field."],
  ["request.seed", undefined, "A field that is not there: in what is sent its key is left out, in what came back it is an error."],
  ["body.data[1].?url", undefined, "A field that may be missing, also in what came back."],
  ["body.data[1].?url.orValue('none')", "none", "Another value in its place."],
  ["body.data[0].url", "https://a.example/1.png", "An element of a list, from 0."],
  ["has(request.seed) ? 'fixed' : 'free'", "free", "A choice."],
  ["size.width / 32", 32, "Arithmetic: `+ - * / %`."],
  ["round(size.width / 100)", 10, "A whole number."],
  ["size.width > size.height && request.n != 1", true, "Comparing: `== != < <= > >= && || !`."],
  ["'image_size=' + string(size.width)", "image_size=1024", "Numbers are put into a text with `string`."],
  ["size.text.replace('x', '*')", "1024*768", "Another spelling."],
  ["rx(request.prompt, '^a\\\\s')", true, "A pattern."],
  ["request.prompt.startsWith('a') || request.prompt.contains('b')", true, "Also `endsWith`."],
  ["request.prompt in ['a cat', 'a dog']", true, "One of a list."],
  ["size(body.data)", 2, "The length of a list or text."],
  ["body.data.filter(d, has(d.url)).map(d, d.url)", ["https://a.example/1.png"], "Lists: `filter`, `map`, `all`, `exists`."],
  ["sum(body.data.map(d, has(d.url) ? 3.0 : 0.5))", 3.5, "The sum of a list of numbers."],
  ["{'url': body.data[0].url, 'n': int('2')}", { url: "https://a.example/1.png", n: 2 }, "A map."],
];
