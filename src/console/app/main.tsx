// Starts the console in its page.
import { render } from "preact";
import { Channels } from "./channels.tsx";
import { Draw } from "./draw.tsx";
import { Pictures } from "./pictures.tsx";
import { Requests } from "./requests.tsx";
import { Shell, type Part } from "./shell.tsx";

const parts: Part[] = [
  { name: "draw", title: "Draw", operatorsTitle: "Explain", View: Draw },
  { name: "pictures", title: "Pictures", View: Pictures },
  { name: "requests", title: "Requests", View: Requests },
  { name: "channels", title: "Channels", View: Channels },
];

const root = document.getElementById("console");
if (root) {
  root.replaceChildren();
  render(<Shell parts={parts} />, root);
}
