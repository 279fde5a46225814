// Takes a client's prompt out of the words of an error that is kept.

/** Characters of a prompt that count as a quotation in an error's words: fewer may be there by chance. */
export const leastQuoted = 16;

/** Characters of a prompt that is masked also within a word: a shorter one would garble others. */
export const leastWithin = 8;

/** Characters of a prompt that is masked: a shorter one says nothing. */
export const leastMasked = 3;

/**
 * The message with the prompt masked, as it is and as JSON writes it. A message that quotes a part of the prompt, or writes it in another way, is
 * replaced: its other words may be the prompt's too.
 */
export function withoutPrompt(message: string, prompt: string): string {
  const forms = [...new Set([prompt.trim(), JSON.stringify(prompt.trim()).slice(1, -1)])];
  const masked = forms.reduce(mask, message);
  return forms.some((form) => isQuotedIn(masked, form)) ? "the provider refused the request, and quoted its prompt" : masked;
}

function mask(message: string, form: string): string {
  if (form.length < leastMasked) return message;
  if (form.length >= leastWithin) return message.replaceAll(form, "[prompt]");
  const literal = form.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  return message.replaceAll(new RegExp(String.raw`(?<![\p{L}\p{N}])${literal}(?![\p{L}\p{N}])`, "giu"), "[prompt]");
}

function isQuotedIn(message: string, form: string): boolean {
  const [words, text] = [form.toLowerCase(), message.toLowerCase()];
  for (let at = 0; at + leastQuoted <= words.length; at += leastQuoted / 2)
    if (text.includes(words.slice(at, at + leastQuoted))) return true;
  return false;
}
