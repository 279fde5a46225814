// Draws a field of the form.
import { useState } from "preact/hooks";
import type { Field } from "./schema.ts";

interface Props {
  field: Field;
  written: string;
  /** The gateway's objection to the value. */
  wrong?: string;
  write: (text: string) => void;
}

export function FieldInput({ field, written, wrong, write }: Props) {
  const { name, title, help } = field;
  const id = `field-${name}`;
  const words = [help, field.usual === undefined ? "" : `Usually ${field.usual}.`].filter(Boolean).join(" ").replaceAll("`", "");
  return (
    <div class={`field ${wrong === undefined ? "" : "is-wrong"}`}>
      <label for={id} title={words}>
        {title}
      </label>
      <Control {...{ field, written, write, id }} describedBy={wrong === undefined ? undefined : `${id}-wrong`} />
      {wrong !== undefined && (
        <p class="wrong" id={`${id}-wrong`}>
          {wrong}
        </p>
      )}
    </div>
  );
}

type ControlProps = Omit<Props, "wrong"> & { id: string; describedBy: string | undefined };

function Control({ field, written, write, id, describedBy }: ControlProps) {
  const common = { id, "aria-describedby": describedBy, "aria-invalid": describedBy !== undefined };
  switch (field.kind) {
    case "choice":
      return <Choice {...common} values={field.values} usual={field.usual} written={written} write={write} />;
    case "flag":
      return (
        <select {...common} value={written} onChange={(event) => write(event.currentTarget.value)}>
          <option value="">as usual</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      );
    case "size":
      return <Size {...common} field={field} written={written} write={write} />;
    case "number":
      return (
        <input
          {...common}
          type="number"
          inputMode="numeric"
          min={field.min}
          max={field.max}
          step={field.isWhole ? 1 : "any"}
          placeholder={field.usual}
          value={written}
          onInput={(event) => write(event.currentTarget.value)}
        />
      );
    case "text":
      return (
        <input
          {...common}
          type="text"
          maxLength={field.longest}
          placeholder={field.usual}
          value={written}
          onInput={(event) => write(event.currentTarget.value)}
        />
      );
    case "json":
      return <textarea {...common} rows={2} placeholder="JSON" value={written} onInput={(event) => write(event.currentTarget.value)} />;
  }
}

interface ChoiceProps {
  id: string;
  values: readonly string[];
  usual: string | undefined;
  written: string;
  write: (text: string) => void;
}

function Choice({ values, usual, written, write, ...common }: ChoiceProps) {
  return (
    <select {...common} value={written} onChange={(event) => write(event.currentTarget.value)}>
      <option value="">{usual ?? "as usual"}</option>
      {values.map((value) => (
        <option key={value} value={value}>
          {value}
        </option>
      ))}
    </select>
  );
}

/** A size of the model's list, or where the model takes any, one that is written. */
function Size({ field: { values, isOpen, usual, name }, written, write, ...common }: Omit<ControlProps, "describedBy">) {
  const [isOther, setOther] = useState(written !== "" && !values.includes(written));
  if (values.length === 0)
    return (
      <input
        {...common}
        type="text"
        placeholder={usual ?? "1024x1024"}
        value={written}
        onInput={(event) => write(event.currentTarget.value)}
      />
    );
  return (
    <div class="pair">
      <select
        {...common}
        value={isOther ? "(other)" : written}
        onChange={({ currentTarget: { value } }) => {
          setOther(value === "(other)");
          write(value === "(other)" ? "" : value);
        }}
      >
        <option value="">{usual ?? "as usual"}</option>
        {values.map((value) => (
          <option key={value} value={value}>
            {value}
          </option>
        ))}
        {isOpen && <option value="(other)">other pixels…</option>}
      </select>
      {isOther && (
        <input
          type="text"
          aria-label={`${name} in pixels`}
          placeholder="1280x720"
          value={written}
          onInput={(event) => write(event.currentTarget.value)}
        />
      )}
    </div>
  );
}
