// Serves the readable documentation of the interface.
import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";

const assets = new Map([
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["start.js", "text/javascript; charset=utf-8"],
]);

const folder = new URL("../../assets/", import.meta.url);

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pictor</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
`;

const start = 'SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true });\n';

/** GET /docs: the interface's description, readable, from assets of our own. No other host is asked for anything. */
export function docs(ctx: Context): void {
  // The page names its assets relative to where it is.
  if (ctx.path.endsWith("/")) {
    ctx.redirect("../docs");
    return;
  }
  ctx.set("content-security-policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:");
  ctx.type = "text/html; charset=utf-8";
  ctx.body = page;
}

/** GET /docs/{name}: what that page loads. */
export function docsAsset(ctx: RouterContext): void {
  const name = String(ctx.params.name);
  const type = assets.get(name);
  if (!type) throw new GatewayError("not_found", `there is nothing at ${ctx.path.slice(0, 200)}`);
  ctx.type = type;
  ctx.body = name === "start.js" ? start : createReadStream(fileURLToPath(new URL(name, folder)));
}
