// Checks the address of a provider that an operator has written.

/** Paths that people often paste as a part of `base_url`. They do not belong there, since every call appends its own path. */
const endpoints = ["/images/generations", "/images/edits", "/chat/completions"];

const secretNames = /^(?:x[-_])?(?:api[-_]?)?(?:key|token|secret|password)$|^access[-_]?token$/i;

/**
 * Says what is wrong with a channel's `base_url` and what would be right, without repeating the address; undefined for a valid one. `paths` are the
 * paths that the channel's own calls append.
 */
export function addressProblem(text: string, paths: readonly string[] = []): string | undefined {
  if (!/^https?:\/\/[^/?#]/.test(text) || /[\s\\\p{Cc}\p{Cf}]/u.test(text) || !URL.canParse(text))
    return "not an address; write https://host/path";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return "holds a user name or a password; take it out, a key belongs in keys";
  if (text.includes("#")) return "has a fragment, which is never sent; take out # and what stands behind it";
  const secret = [...url.searchParams.keys()].find((name) => secretNames.test(name));
  if (secret !== undefined) return `holds a key in its query; take it out, name it in keys and write auth: { query: ${secret} }`;
  const path = url.pathname.replace(/\/+$/, "");
  const end = [...endpoints, ...paths].find((candidate) => path.endsWith(candidate));
  return end && `ends in ${end}, which a call puts behind it; write only what stands before that`;
}
