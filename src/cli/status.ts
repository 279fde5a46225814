import got from "got";
import { colours } from "./colours.ts";

interface Ready {
  status: string;
  channels: { name: string; state: string; reason?: string }[];
}

/** `pictor status`: what a running gateway says of itself and its channels. Returns the exit code. Throws where none answers. */
export async function status(url: string, { json }: { json?: boolean }, say: (line: string) => void): Promise<number> {
  const answer = await readyOf(url);
  if (json) say(JSON.stringify(answer, null, 2));
  else {
    say(answer.status === "ready" ? colours.green("ready") : colours.red(answer.status));
    for (const { name, state, reason } of answer.channels)
      say(`${state === "on" ? colours.green("on ") : colours.dim("off")} ${name}${reason === undefined ? "" : `: ${reason}`}`);
  }
  return answer.status === "ready" ? 0 : 1;
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
