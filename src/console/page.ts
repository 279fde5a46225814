// Serves the console: its page, what the page loads, and the front page that leads to it.
import { createHash } from "node:crypto";
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { assets, type Assets } from "./assets.ts";

/** Modules of the library, by the names under which the console imports them. */
const library = { preact: "preact.mjs", "preact/hooks": "hooks.mjs", "preact/jsx-runtime": "jsxRuntime.mjs" };

const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Nothing from elsewhere, nothing inline but what is named by its hash, and no form or frame. */
const policy = (scripts: string, styles: string) =>
  [
    "default-src 'none'",
    `script-src ${scripts}`,
    `style-src ${styles}`,
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

/** GET /console: the page. It is the same for everybody; the key is asked for in it. */
export function consolePage(ctx: Context): void {
  // The page names all that it loads relative to where it is.
  if (ctx.path.endsWith("/")) {
    ctx.redirect("../console");
    return;
  }
  const { version, files } = assets();
  const imports = JSON.stringify({
    imports: Object.fromEntries(Object.entries(library).map(([name, file]) => [name, `./console/${version}/${file}`])),
  });
  ctx.set("content-security-policy", policy(`'self' ${hashOf(imports)}`, "'self'"));
  answerPage(ctx, pageOf(imports, version, files), version);
}

/** The beginning of every page; `more` is the rest of its head. */
const pageBegin = (more: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Pictor</title>
<link rel="icon" href="data:,">
${more}
`;

function pageOf(imports: string, version: string, files: Assets["files"]): string {
  const first = [...files.keys()].filter((name) => !name.endsWith(".css") && !name.includes("/"));
  return `${pageBegin(`<link rel="stylesheet" href="console/${version}/console.css">`)}<script type="importmap">${imports}</script>
${first.map((name) => `<link rel="modulepreload" href="console/${version}/${name}">`).join("\n")}
<div id="console"><noscript>The console needs JavaScript. The interface is described at docs.</noscript></div>
<script type="module" src="console/${version}/main.js"></script>
</html>
`;
}

/** GET /console/{version}/{file}: what the page loads. Another version's file is not there: its page is loaded anew. */
export function consoleAsset(ctx: RouterContext): void {
  const { version, files } = assets();
  const path = String(ctx.params.path);
  const asset = path.startsWith(`${version}/`) ? files.get(path.slice(version.length + 1)) : undefined;
  if (!asset) throw new GatewayError("not_found", `there is nothing at ${ctx.path.slice(0, 200)}`);
  const encoding = ctx.acceptsEncodings("br", "gzip", "identity");
  if (encoding === "br" || encoding === "gzip") ctx.set("content-encoding", encoding);
  ctx.vary("accept-encoding");
  ctx.set({ "cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff" });
  ctx.type = asset.type;
  ctx.body = encoding === "br" || encoding === "gzip" ? asset[encoding] : asset.plain;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto 0;padding:0 1.5rem}a{color:inherit}`;

/** GET /: where people look first. */
export function frontPage(ctx: Context, { hasConsole }: { hasConsole: boolean }): void {
  ctx.set("content-security-policy", policy("'none'", hashOf(style)));
  const draw = hasConsole ? `<p><a href="console">Open the console</a>: draw, look, find out why.</p>\n` : "";
  const page = `${pageBegin(`<style>${style}</style>`)}<main>
<h1>Pictor</h1>
<p>One OpenAI-compatible images API in front of every image model.</p>
${draw}<p><a href="docs">The interface</a>, described. Clients use <code>v1</code> here as their base URL.</p>
</main>
</html>
`;
  answerPage(ctx, page, createHash("sha256").update(page).digest("hex").slice(0, 16));
}

function answerPage(ctx: Context, page: string, version: string): void {
  ctx.set({ "cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
  ctx.etag = version;
  ctx.type = "text/html; charset=utf-8";
  ctx.status = 200;
  if (ctx.fresh) ctx.status = 304;
  else ctx.body = page;
}
