// Starts the console in its page.
import { render } from "preact";
import { Draw } from "./draw.tsx";
import { Shell, type Part } from "./shell.tsx";

const parts: Part[] = [{ name: "draw", title: "Draw", View: Draw }];

const root = document.getElementById("console");
if (root) {
  root.replaceChildren();
  render(<Shell parts={parts} />, root);
}
