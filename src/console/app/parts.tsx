// Pieces that every part of the console is put together from.
import type { ComponentChildren, TargetedKeyboardEvent } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ApiError } from "./api.ts";
import { addressOf } from "./route.ts";

/** A column of a table, by its title; one of amounts is set flush right. */
export type Column = string | { amount: string };

/** A table that can be scrolled by the keyboard too; its rows are the children. */
export function DataTable({ label, columns, children }: { label: string; columns: readonly Column[]; children: ComponentChildren }) {
  return (
    <div class="table" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const title = typeof column === "string" ? column : column.amount;
              // A column of buttons has no title.
              if (title === "") return <td key={title} />;
              return (
                <th key={title} scope="col" class={typeof column === "string" ? undefined : "amount"}>
                  {title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** A place where nothing is yet, with what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** The room of what is being loaded: as many lines as it will have, so that nothing jumps. */
export function Loading({ lines = 3, what }: { lines?: number; what: string }) {
  return (
    <div class="loading" role="status">
      <span class="unseen">Loading {what}</span>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} class="bone" />
      ))}
    </div>
  );
}

/** An error in the gateway's words, and its remedy. */
export function Failure({ error, again }: { error: ApiError; again?: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{error.message}</strong>
      </p>
      <p class="quiet">
        {adviceFor(error)}
        {error.code !== "offline" && error.code !== "page" && (
          <>
            {" "}
            <code>{error.code}</code>
          </>
        )}
        {error.requestId !== undefined && (
          <>
            {" "}
            <a href={addressOf("requests", error.requestId)}>Look at this request</a>
          </>
        )}
      </p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

function adviceFor({ status, param }: ApiError): string {
  if (param !== undefined) return `Change ${param} and send it again.`;
  if (status === 429) return "Wait a moment, or ask the operator for more.";
  if (status === 0) return "";
  if (status >= 500) return "It is not the request's fault: try again later, or look at the channels.";
  return "";
}

const tones: Readonly<Record<string, string>> = {
  completed: "good",
  on: "good",
  active: "good",
  ready: "good",
  in_progress: "busy",
  queued: "busy",
  failed: "bad",
  broken: "bad",
  resting: "warn",
  uncertain: "warn",
  cancelled: "dim",
  expired: "dim",
  off: "dim",
  refused: "bad",
};

/** A state as a word with a colour; the word alone says it too. */
export function State({ name }: { name: string }) {
  return <span class={`state ${tones[name] ?? "dim"}`}>{name.replaceAll("_", " ")}</span>;
}

/** Names with their values, one a line. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A text to copy. */
export function Code({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState<string>();
  const block = useRef<HTMLPreElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(text);
    } catch {
      // Browsers give no clipboard to pages without TLS.
      if (block.current) getSelection()?.selectAllChildren(block.current);
    }
  };
  return (
    <div class="code">
      <button type="button" class="copy" onClick={() => void copy()} aria-label={`Copy ${label}`}>
        {copied === text ? "Copied" : "Copy"}
      </button>
      {/* It scrolls, so the keyboard must reach it. */}
      <pre ref={block} tabIndex={0} aria-label={label}>
        {text}
      </pre>
    </div>
  );
}

interface TabsProps {
  label: string;
  names: readonly string[];
  chosen: string;
  choose: (name: string) => void;
}

/** Several views of one thing. Arrow keys go from one to the next. */
export function Tabs({ label, names, chosen, choose }: TabsProps) {
  const move: (event: TargetedKeyboardEvent<HTMLDivElement>) => void = (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = names[(names.indexOf(chosen) + step + names.length) % names.length] ?? chosen;
    choose(next);
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {names.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          data-tab={name}
          aria-selected={name === chosen}
          tabIndex={name === chosen ? 0 : -1}
          onClick={() => choose(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
