// Counts the slots of all instances in Redis, each instance by a number of its own that expires with it.
import type { RedisConnection } from "./redis-connection.ts";
import type { SharedState } from "./shared-state.ts";

// Each instance sends the number of its own slots, so that the next number corrects one that came late or twice. Of an instance's numbers
// the latest counts, in whatever order they arrive, and none of them keeps that instance from a slot. With a limit it asks for one more.
const slotsScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local others, newest = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local count, till, told = string.match(all[i + 1], '(%d+):(%d+):(%d+)')
  if all[i] == ARGV[2] then newest = tonumber(told)
  elseif tonumber(till) <= now then redis.call('HDEL', KEYS[1], all[i])
  else others = others + count end
end
if tonumber(ARGV[3]) < newest then return 1 end
if ARGV[5] and others + ARGV[4] > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4] .. ':' .. (now + ARGV[1]) .. ':' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`;

export interface RedisSlots {
  enter: SharedState["enter"];
  /** Send the number of slots of every scope; rejects where the server fails. */
  sendAll(): Promise<void>;
  close(): void;
}

/** `own` counts this instance's slots by themselves. The slots of an instance that died are free after `lease` milliseconds. */
export function createRedisSlots(
  { client, ask }: RedisConnection,
  own: Pick<SharedState, "enter">,
  { instance, lease }: { instance: string; lease: number },
): RedisSlots {
  /** This instance's slots by scope; a scope without any stays until the server knows. */
  const taken = new Map<string, number>();
  let sent = 0;

  /** Send the number of this instance's slots; a `limit` asks that all instances have no more. Resolves with whether that is so. */
  async function send(scope: string, limit?: number): Promise<boolean> {
    const count = taken.get(scope) ?? 0;
    const most = limit === undefined ? [] : [limit];
    const answer = await client.eval(slotsScript, 1, `pictor:held:${scope}`, lease, instance, (sent += 1), count, ...most);
    if (count === 0 && taken.get(scope) === 0) taken.delete(scope);
    return answer !== 0;
  }

  async function enter(scope: string, limit: number): Promise<(() => void) | undefined> {
    const free = await own.enter(scope, limit);
    if (!free) return undefined;
    const add = (slots: number) => taken.set(scope, (taken.get(scope) ?? 0) + slots);
    add(1);
    const leave = () => {
      free();
      add(-1);
      void ask(() => send(scope));
    };
    if ((await ask(() => send(scope, limit))) !== false) return leave;
    // Numbers that were sent meanwhile include this slot, so the next one has to follow.
    leave();
    return undefined;
  }

  async function sendAll(): Promise<void> {
    await Promise.all([...taken.keys()].map((scope) => send(scope)));
  }

  // A slot is kept for as long as its request runs, and made known again to a server that lost it.
  const renewal = setInterval(() => void ask(sendAll), lease / 3);
  return { enter, sendAll, close: () => clearInterval(renewal) };
}
