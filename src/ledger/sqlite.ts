// The embedded database: SQLite in a file, driven in a worker thread.
import { Worker } from "node:worker_threads";
import { Unavailable, type Database, type Row, type Statement } from "./database.ts";
import type { Batch, Ended, Job } from "./sqlite-thread.ts";

interface Waiting {
  resolve: (rows: Row[]) => void;
  reject: (error: Error) => void;
}

/**
 * Open, or make, the database in a file, which several processes of one machine may share. Transactions that are asked for while one is being
 * written are written together. Rejects where the file cannot be opened, or is a newer version's.
 */
export async function openSqlite(file: string): Promise<Database> {
  let thread = await openThread(file);
  let isClosed = false;
  let opening: Promise<void> | undefined;
  const openAnew = () =>
    (opening ??= openThread(file)
      .then((next) => void (thread = next))
      .finally(() => (opening = undefined)));
  return {
    kind: "sqlite",
    // A thread that broke down is replaced by the next that needs it.
    run: (statements) => (thread.isLost() && !isClosed ? openAnew().then(() => thread.run(statements)) : thread.run(statements)),
    close: async () => {
      isClosed = true;
      await opening?.catch(() => undefined);
      await thread.close();
    },
  };
}

/** The database as one thread has it; `isLost` once that has ended. */
async function openThread(file: string): Promise<Omit<Database, "kind"> & { isLost: () => boolean }> {
  // Node 22 calls its own module an experiment with each start.
  const thread = new Worker(new URL("sqlite-thread.js", import.meta.url), {
    workerData: { file },
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  thread.unref();
  const waiting = new Map<number, Waiting>();
  let next: Job[] = [];
  const numbers = new Map<string, number>();
  let texts: string[] = [];
  let count = 0;
  let isBusy = false;
  let lost: Unavailable | undefined;

  await opened(thread);
  thread.on("message", (all: Ended[]) => {
    isBusy = false;
    for (const ended of all) {
      const { resolve, reject } = waiting.get(ended.id) ?? {};
      waiting.delete(ended.id);
      if ("rows" in ended) resolve?.(ended.rows);
      else reject?.(ended.unavailable ? new Unavailable(ended.error) : new Error(ended.error));
    }
    if (waiting.size === 0) thread.unref();
    send();
  });
  const lose = (cause: unknown) => {
    lost = new Unavailable(cause);
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
    next = [];
  };
  thread.on("error", lose);
  thread.on("exit", () => lose("it was closed"));

  /** Hand over what has come, unless the thread is at work: then it goes with what comes meanwhile. */
  function send(): void {
    if (isBusy || next.length === 0) return;
    isBusy = true;
    thread.postMessage({ jobs: next, texts } satisfies Batch);
    next = [];
    texts = [];
  }

  function numberOf(sql: string): number {
    const known = numbers.get(sql);
    if (known !== undefined) return known;
    numbers.set(sql, numbers.size);
    texts.push(sql);
    return numbers.size - 1;
  }

  return {
    isLost: () => lost !== undefined,
    run: (statements: readonly Statement[]) =>
      new Promise((resolve, reject) => {
        if (lost) {
          reject(lost);
          return;
        }
        count += 1;
        waiting.set(count, { resolve, reject });
        if (waiting.size === 1) thread.ref();
        next.push({ id: count, statements: statements.map(({ sql, parameters = [] }) => [numberOf(sql), parameters]) });
        // Everything that is asked for in this turn of the loop shares a transaction.
        if (next.length === 1) setImmediate(send);
      }),
    close: async () => {
      while (waiting.size > 0 || next.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      if (lost) return;
      thread.ref();
      const exited = new Promise((resolve) => thread.once("exit", resolve));
      thread.postMessage("close");
      await exited;
    },
  };
}

function opened(thread: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(new Unavailable(error));
    thread.once("error", fail);
    thread.once("message", () => {
      thread.off("error", fail);
      resolve();
    });
  });
}
