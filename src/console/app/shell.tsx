// The frame around every part: the way between them, and the state of the connection.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { go, place } from "./route.ts";
import { leave, session } from "./session.ts";
import { SignIn } from "./sign-in.tsx";
import { useStore } from "./store.ts";

/** A part of the console. */
export interface Part {
  name: string;
  title: string;
  /** Its title where it is another one for the operator. */
  operatorsTitle?: string;
  /** True where only the operator's key may see it. */
  isOperators?: boolean;
  View: ComponentType<{ id: string | undefined; query: URLSearchParams }>;
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    for (const event of ["online", "offline"]) addEventListener(event, look);
    return () => {
      for (const event of ["online", "offline"]) removeEventListener(event, look);
    };
  }, []);
  return isOnline;
}

export function Shell({ parts }: { parts: readonly Part[] }) {
  const current = useStore(session);
  const { part, id, query } = useStore(place);
  const isOnline = useOnline();
  const seen = parts
    .filter(({ isOperators }) => !isOperators || current?.scope === "all")
    .map((one) => ({ ...one, title: (current?.scope === "all" && one.operatorsTitle) || one.title }));
  const shown = seen.find(({ name }) => name === part) ?? seen[0];
  const title = shown?.title;
  useEffect(() => {
    document.title = current && title !== undefined ? `${title} · Pictor` : "Pictor";
  }, [current, title]);
  if (!current || !shown) return <SignIn />;
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/">
          Pictor
        </a>
        <nav aria-label="Parts">
          {seen.map(({ name, title }) => (
            <a key={name} href={`#/${name}`} aria-current={name === shown.name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <button type="button" class="plain" onClick={changeKey}>
          {current.scope === "all" ? "Operator" : "Client"} · change key
        </button>
      </header>
      {!isOnline && (
        <p class="banner" role="status">
          This machine is offline. What is under way at the gateway goes on, and is here again when the connection is.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <h1 class="unseen">{shown.title}</h1>
        <shown.View key={shown.name} id={id} query={query} />
      </main>
    </>
  );
}

/** Give the key up, and with it the thing in the address, which may be its own. */
function changeKey(): void {
  leave();
  go("#/", { replace: true });
}

function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
