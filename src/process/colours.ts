// Colours for terminals.
import { isatty } from "node:tty";
import pc from "picocolors";

/** Colours for a terminal. A pipe gets none, whatever CI says of itself. */
export const colours = pc.createColors(pc.isColorSupported && isatty(1));
