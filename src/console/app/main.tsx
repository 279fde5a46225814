// Starts the console in its page.
import { render } from "preact";
import { Channels } from "./channels.tsx";
import { Draw } from "./draw.tsx";
import { Keys } from "./keys.tsx";
import { Pictures } from "./pictures.tsx";
import { Requests } from "./requests.tsx";
import { Shell, type Part } from "./shell.tsx";
import { Usage } from "./usage.tsx";

const parts: Part[] = [
  { name: "draw", title: "Draw", operatorsTitle: "Explain", View: Draw },
  { name: "pictures", title: "Pictures", View: Pictures },
  { name: "requests", title: "Requests", View: Requests },
  { name: "channels", title: "Channels", View: Channels },
  { name: "usage", title: "Usage", View: Usage },
  { name: "keys", title: "Keys", isOperators: true, View: Keys },
];

const root = document.getElementById("console");
if (root) {
  root.replaceChildren();
  render(<Shell parts={parts} />, root);
}
