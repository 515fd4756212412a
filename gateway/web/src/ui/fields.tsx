/** What one fills in. Every field has its label, and its error is read out where it stands. */

import * as RadixSwitch from "@radix-ui/react-switch";
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import { joined } from "./joined";

interface Around {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
  /** Behind the value: a unit, a currency */
  readonly unit?: string;
}

const BOX =
  "w-full min-w-0 rounded-lg border bg-surface px-3 py-2 min-h-11 text-ink placeholder:text-ink-soft/80 disabled:opacity-60";

function edge(error: string | undefined): string {
  return error ? "border-bad" : "border-line-strong";
}

function Framed({ label, hint, error, unit, id, children }: Around & { id: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-sm font-medium">
        {label}
      </label>
      <div className="relative flex items-center">
        {children}
        {unit && <span className="pointer-events-none absolute end-3 text-ink-soft">{unit}</span>}
      </div>
      {error ? (
        <p id={`${id}-note`} role="alert" className="mt-1 text-sm text-bad">
          {error}
        </p>
      ) : (
        hint && (
          <p id={`${id}-note`} className="mt-1 text-sm text-ink-soft">
            {hint}
          </p>
        )
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Around) {
  return { "aria-describedby": hint || error ? `${id}-note` : undefined, "aria-invalid": error ? true : undefined };
}

export function Field({
  label,
  hint,
  error,
  unit,
  className,
  ...rest
}: Around & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const around = { label, hint, ...(error ? { error } : {}), ...(unit ? { unit } : {}) };
  return (
    <Framed {...around} id={id}>
      <input
        id={id}
        className={joined(BOX, edge(error), unit && "pe-16", className)}
        {...described(id, around)}
        {...rest}
      />
    </Framed>
  );
}

export function TextField({
  label,
  hint,
  error,
  className,
  ...rest
}: Around & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  const around = { label, hint, ...(error ? { error } : {}) };
  return (
    <Framed {...around} id={id}>
      <textarea id={id} rows={4} className={joined(BOX, edge(error), className)} {...described(id, around)} {...rest} />
    </Framed>
  );
}

/** The browser's own list: the best one on every phone, and it needs no style from a script. */
export function Choice({
  label,
  hint,
  error,
  options,
  className,
  ...rest
}: Around & SelectHTMLAttributes<HTMLSelectElement> & { options: readonly (readonly [string, string])[] }) {
  const id = useId();
  const around = { label, hint, ...(error ? { error } : {}) };
  return (
    <Framed {...around} id={id}>
      <select id={id} className={joined(BOX, edge(error), className)} {...described(id, around)} {...rest}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Framed>
  );
}

interface SwitchProps {
  readonly label: string;
  readonly hint?: string;
  readonly checked: boolean;
  readonly disabled?: boolean;
  onChange(checked: boolean): void;
}

export function Switch({ label, hint, checked, disabled = false, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4 py-1">
      <label htmlFor={id} className="min-w-0">
        <span className="block font-medium">{label}</span>
        {hint && <span className="block text-sm text-ink-soft">{hint}</span>}
      </label>
      <RadixSwitch.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={onChange}
        className="relative h-7 w-12 shrink-0 rounded-full bg-line-strong transition-colors data-[state=checked]:bg-accent disabled:opacity-55"
      >
        <RadixSwitch.Thumb className="block size-5 translate-x-1 rounded-full bg-surface transition-transform data-[state=checked]:translate-x-6" />
      </RadixSwitch.Root>
    </div>
  );
}

/** Few choices of one kind, all seen: a segmented control made of radio buttons. */
export function Segments<V extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: V;
  options: readonly (readonly [V, string])[];
  onChange(value: NoInfer<V>): void;
}) {
  const name = useId();
  return (
    <fieldset className="inline-flex max-w-full flex-wrap rounded-lg bg-sunken p-1">
      <legend className="sr-only">{label}</legend>
      {options.map(([one, text]) => (
        <label
          key={one}
          className="cursor-pointer rounded-md px-3 py-1.5 text-sm text-ink-soft has-checked:bg-surface has-checked:font-medium has-checked:text-ink has-checked:shadow-lift has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={name}
            value={one}
            checked={one === value}
            onChange={() => onChange(one)}
            className="sr-only"
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}
