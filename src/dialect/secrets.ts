// Hides keys, tokens, signatures, addresses and prompts in a provider's texts, before they are shown or logged.
import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { secretsOf } from "../net/auth/key.ts";
import type { Result } from "../plugin/context.ts";
import type { CallContext } from "./context.ts";

/** The texts of an exchange that must not be shown. */
export interface Hidden {
  /** Longer texts come first, since a text may begin with a shorter one. */
  secrets: readonly string[];
  prompts: readonly string[];
  /** The provider's own hosts. */
  hosts: readonly string[];
}

/** Shortest secret that is masked in a provider's texts, in characters: shorter ones occur in many words. */
export const shortestSecret = 4;
/** Shortest prompt that is masked in logged texts, in characters: shorter ones occur in many words. */
export const shortestPrompt = 8;

/** Characters of a prompt's beginning by which a shortened copy is recognised: providers repeat the beginning. */
export const beginning = 24;

/** The key of an exchange, the secrets derived from it so far, and the secrets among the channel's variables. */
export function secretsIn({ key, made = new Set(), secrets = [] }: Pick<CallContext, "key" | "made" | "secrets">): string[] {
  return [...made, ...secretsOf(key === undefined ? secrets : [key, ...secrets])]
    .filter((secret) => secret.length >= shortestSecret)
    .sort((a, b) => b.length - a.length);
}

/** The texts to hide in a provider's messages: secrets, the provider's hosts, and the client's prompts. */
export function hiddenFrom(context: Pick<CallContext, "key" | "made" | "secrets" | "baseUrl" | "ctx">): Hidden {
  const { host, hostname } = new URL(context.baseUrl);
  const { prompt, negative_prompt: negative } = context.ctx.request;
  const prompts = [prompt, negative].filter((text) => typeof text === "string" && text.length >= shortestPrompt) as string[];
  return {
    secrets: secretsIn(context),
    prompts: prompts.flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]),
    hosts: [host, hostname],
  };
}

/** The failure without secrets, addresses and prompts, so that it may be shown to a client. `reason` and `location` are for the log only. */
export function withoutSecrets({ kind, message, details }: ProviderFailure, hidden: Hidden): ProviderFailure {
  const shown = (text: string | undefined) => text && shorten(hide(text, hidden));
  const logged = (text: string) => shorten(withoutPrivateText(text, hidden));
  return new ProviderFailure(kind, shorten(hide(message, hidden)), {
    ...details,
    param: shown(details.param),
    code: shown(details.code),
    // In the log URLs are kept, since an operator may have to open them; a redirect's also keeps its host.
    reason: logged(maskedText(details.reason ?? message, hidden.hosts)),
    location: details.location && logged(details.location),
  });
}

/** The error as it may be shown: a `ProviderFailure` without secrets, addresses and prompts; any other error unchanged. */
export function withoutPrivate(error: unknown, context: CallContext): unknown {
  return error instanceof ProviderFailure ? withoutSecrets(error, hiddenFrom(context)) : error;
}

/** The result as it may be shown: masked as by `masked`, and its errors without secrets, addresses and prompts. */
export function maskedResult(said: Result, context: CallContext): Result {
  const result = masked(said, context);
  if (result.errors.length === 0) return result;
  const hidden = hiddenFrom(context);
  const errors = result.errors.map((error) => ({ ...error, message: hide(error.message, hidden), code: hide(error.code, hidden) }));
  return { ...result, errors };
}

/** A provider's text without secrets, addresses, prompts, pictures, and anything that looks like a key or token. */
export function hide(text: string, hidden: Hidden): string {
  return maskedText(withoutPrivateText(text, hidden).replace(/\b(?:https?|wss?):\/\/\S+/gi, "(a URL)"), hidden.hosts);
}

/** As `hide`, but addresses are kept. */
function withoutPrivateText(text: string, { secrets, prompts }: Hidden): string {
  return maskedText(prompts.reduce(withoutPrompt, text), secrets)
    .replace(/\b(?:sk|key)-[\w-]{8,}\b/g, "***")
    .replace(/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, "***")
    .replace(/(?:[\w+/-]{76}\s+)+[\w+/-]*={0,2}|[\w+/-]{76,}={0,2}/g, (run) => (new Set(run).size > 16 ? "(base64)" : run));
}

/** A text in which each copy of the prompt, complete or shortened, is replaced by "(the prompt)". */
export function withoutPrompt(text: string, prompt: string): string {
  const [start, mark] = [prompt.slice(0, beginning), "(the prompt)"];
  for (let at = text.indexOf(start); at !== -1; at = text.indexOf(start, at + mark.length)) {
    let length = start.length;
    while (length < prompt.length && text[at + length] === prompt[length]) length += 1;
    text = text.slice(0, at) + mark + text.slice(at + length);
  }
  return text;
}

function maskedText(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}

/**
 * Masks the secrets of the exchange in what a provider says about its pictures. Texts are searched, pictures are not. A picture's URL that holds a
 * secret is kept and marked as `secret`, since the picture must be fetched from it.
 */
export function masked<T extends Partial<Pick<Result, "pictures" | "facts" | "metadata">>>(said: T, context: CallContext): T {
  const secrets = secretsIn(context);
  if (secrets.length === 0) return said;
  const hold = (text: string) => secrets.some((secret) => text.includes(secret));
  const one = (value: unknown): unknown => {
    if (typeof value === "string") return hold(value) ? maskedText(value, secrets) : value;
    if (Array.isArray(value)) return value.map(one);
    return isPlainObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, part]) => [maskedText(name, secrets), one(part)]))
      : value;
  };
  const { pictures, facts, metadata } = said;
  return {
    ...said,
    ...(pictures && {
      pictures: pictures.map((picture) => {
        const { data, revisedPrompt, metadata: own } = picture;
        return {
          ...picture,
          ...(revisedPrompt !== undefined && { revisedPrompt: maskedText(revisedPrompt, secrets) }),
          ...(own && { metadata: one(own) as typeof own }),
          ...(data.kind === "url" && hold(data.url) && { data: { ...data, secret: true } }),
        };
      }),
    }),
    ...(facts && { facts: one(facts) }),
    ...(metadata && { metadata: one(metadata) }),
  };
}

function shorten(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}...` : text;
}
