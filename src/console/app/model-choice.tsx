// Chooses a model, by its name or by what it can do.
import type { TargetedKeyboardEvent } from "preact";
import { useId, useState } from "preact/hooks";
import type { MatrixRow } from "./model.ts";

interface Props {
  rows: readonly MatrixRow[];
  chosen: string;
  choose: (id: string) => void;
}

/** Models that are listed at once: more are found by their names. */
const mostShown = 50;

/** True where each word is in the model's name, or among what it can do. */
function fits({ id, operations, channels }: MatrixRow, words: readonly string[]): boolean {
  const text = [id, ...operations, ...channels.map(({ name }) => name)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

export function ModelChoice({ rows, chosen, choose }: Props) {
  const id = useId();
  const [search, setSearch] = useState<string>();
  const [at, setAt] = useState(0);
  const words = (search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => fits(row, words));
  const shown = found.slice(0, mostShown);
  const isOpen = search !== undefined;
  const take = (row: MatrixRow | undefined) => {
    if (row) choose(row.id);
    setSearch(undefined);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLInputElement>) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setSearch(search ?? "");
      setAt(isOpen ? Math.min(Math.max(at + step, 0), shown.length - 1) : 0);
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      take(shown[at]);
    } else if (event.key === "Escape") setSearch(undefined);
  };
  return (
    <div class="field model-choice">
      <label for={id}>Model</label>
      <input
        id={id}
        type="text"
        role="combobox"
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isOpen && shown[at] ? `${id}-${at}` : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={chosen === "" ? "search a model" : chosen}
        value={search ?? chosen}
        onFocus={(event) => event.currentTarget.select()}
        onClick={() => setSearch(search ?? "")}
        onInput={(event) => {
          setSearch(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setSearch(undefined)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="Models" hidden={!isOpen}>
        {shown.map((row, index) => (
          <li
            key={row.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            // The field would lose the focus, and the list with it, before the click arrives.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(row)}
          >
            <span>{row.id}</span>
            <span class="quiet">
              {row.operations.includes("edit") ? (row.mask ? "edits, mask" : "edits") : ""}
              {row.shutdown_date === undefined ? "" : ` until ${row.shutdown_date}`}
            </span>
          </li>
        ))}
        {shown.length === 0 && <li class="quiet">No model has these words.</li>}
        {found.length > shown.length && <li class="quiet">and {found.length - shown.length} more: go on writing</li>}
      </ul>
    </div>
  );
}
