// Asks for the key.
import { useState } from "preact/hooks";
import { get, type ApiError } from "./api.ts";
import { asApiError } from "./load.ts";
import { enter, reasonToLeave, type Session } from "./session.ts";
import { useStore } from "./store.ts";

export function SignIn() {
  const [error, setError] = useState<ApiError>();
  const [isTrying, setTrying] = useState(false);
  const reason = useStore(reasonToLeave);
  const submit = async (form: HTMLFormElement) => {
    const key = (form.elements.namedItem("key") as HTMLInputElement).value.trim();
    setTrying(true);
    setError(undefined);
    try {
      const { scope } = await get<{ scope: Session["scope"] }>("v1/requests?limit=1", { key });
      enter({ key, scope });
    } catch (thrown) {
      setError(asApiError(thrown));
      setTrying(false);
    }
  };
  const said = error?.message ?? reason;
  return (
    <main class="sign-in">
      <h1>Pictor</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <label for="key">Key</label>
        <input
          id="key"
          name="key"
          type="password"
          autocomplete="off"
          required
          aria-invalid={said !== ""}
          aria-describedby="key-help"
          placeholder="sk-…"
        />
        <p id="key-help" class="quiet">
          A client key, which the gateway prints at its start where none is set, or the operator's <code>PICTOR_ADMIN_KEY</code>. This tab
          forgets it when it is closed.
        </p>
        {said !== "" && (
          <p class="wrong" role="alert">
            {said}
          </p>
        )}
        <button type="submit" class="main" disabled={isTrying}>
          {isTrying ? "Looking…" : "Open"}
        </button>
      </form>
    </main>
  );
}
