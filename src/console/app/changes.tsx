// Lists what the gateway changed of a request.
import type { Change } from "./model.ts";
import { valueText } from "./words.ts";

export function Changes({ changes = [] }: { changes?: readonly Change[] }) {
  if (changes.length === 0) return null;
  return (
    <ul class="changes">
      {changes.map(({ field, what, from, to }, index) => (
        <li key={index}>
          <code>{field}</code>{" "}
          {what ?? (
            <>
              {valueText(from)} → <strong>{valueText(to)}</strong>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}
