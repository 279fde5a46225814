import got from "got";
import type { ChannelState } from "../gateway/states.ts";
import { colours } from "./colours.ts";

interface Ready {
  status: string;
  channels: ChannelState[];
}

/** `pictor status`: what a running gateway says of itself and its channels. Returns the exit code. Throws where none answers. */
export async function status(url: string, { json }: { json?: boolean }, say: (line: string) => void): Promise<number> {
  const answer = await readyOf(url);
  if (json) say(JSON.stringify(answer, null, 2));
  else {
    say(answer.status === "ready" ? colours.green("ready") : colours.red(answer.status));
    for (const channel of answer.channels) say(lineOf(channel));
  }
  return answer.status === "ready" ? 0 : 1;
}

const shown = { on: colours.green("on "), off: colours.dim("off"), resting: colours.red("resting") };

function lineOf({ name, state, reason, resting = [] }: ChannelState): string {
  const rests = resting.map(({ what, seconds }) => `${what} rests for ${seconds} s`);
  const told = [...(reason === undefined ? [] : [reason]), ...rests].join(", ");
  return `${shown[state]} ${name}${told === "" ? "" : `: ${told}`}`;
}

async function readyOf(url: string): Promise<Ready> {
  const text = await got(`${url.replace(/\/$/, "")}/readyz`, {
    throwHttpErrors: false,
    retry: { limit: 0 },
    followRedirect: false,
    timeout: { request: 5000 },
  })
    .text()
    .catch(() => "");
  try {
    const answer = JSON.parse(text) as Partial<Ready>;
    if (answer.status !== undefined && answer.channels) return { status: answer.status, channels: answer.channels };
  } catch {
    // Something else than a gateway answered, or nothing; both are told below.
  }
  throw new Error(`no gateway answers at ${url}; name it with --url`);
}
