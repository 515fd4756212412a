/** Small ways to show a value: a figure, facts in two columns, a badge, a shortened hash, a bar. */

import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import { COMMON, useTexts } from "../i18n";
import { Icon } from "./icons";
import { joined } from "./joined";

export type Tone = "plain" | "good" | "warn" | "bad" | "info" | "energy" | "accent";

const TONES: Record<Tone, string> = {
  plain: "bg-sunken text-ink-soft",
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  info: "bg-info-soft text-info",
  energy: "bg-energy-soft text-energy",
  accent: "bg-accent-soft text-accent",
};

export function Badge({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={joined(
        "inline-flex items-center gap-1 rounded-full px-2.5 py-0.5 text-sm font-medium whitespace-nowrap",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}

interface FigureProps {
  readonly label: string;
  readonly value: ReactNode;
  readonly note?: ReactNode;
  readonly tone?: Tone;
}

/** One figure that the page is about. */
export function Figure({ label, value, note, tone = "plain" }: FigureProps) {
  return (
    <div className="min-w-0 rounded-card border border-line bg-surface p-4">
      <p className="text-sm text-ink-soft">{label}</p>
      <p
        className={joined(
          "mt-1 text-xl font-semibold sm:text-2xl",
          tone === "bad" && "text-bad",
          tone === "warn" && "text-warn",
          tone === "good" && "text-good",
          tone === "energy" && "text-energy",
        )}
      >
        {value}
      </p>
      {note && <p className="mt-0.5 text-sm text-ink-soft">{note}</p>}
    </div>
  );
}

/** Names and values; what is null is left out. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode] | null)[] }) {
  return (
    <dl className="grid gap-x-6 gap-y-2.5 sm:grid-cols-[minmax(9rem,auto)_1fr]">
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]} className="grid gap-x-6 sm:col-span-2 sm:grid-cols-subgrid">
              <dt className="text-sm text-ink-soft sm:text-base">{fact[0]}</dt>
              <dd className="min-w-0">{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** A hash or id: its beginning and end, and the whole of it to copy. */
export function Hash({ value, href, length = 8 }: { value: string; href?: string; length?: number }) {
  const t = useTexts(COMMON);
  const [copied, setCopied] = useState(false);
  const short = value.length > length * 2 + 3 ? `${value.slice(0, length)}…${value.slice(-4)}` : value;
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <span className="inline-flex max-w-full items-center gap-1 font-mono text-[0.925em]">
      {href ? (
        <To href={href} title={value}>
          {short}
        </To>
      ) : (
        <span title={value}>{short}</span>
      )}
      <button
        type="button"
        onClick={copy}
        aria-label={`${copied ? t.copied : t.copy}: ${short}`}
        className="rounded p-1 text-ink-soft hover:text-accent"
      >
        <Icon name={copied ? "check" : "copy"} className="size-3.5" />
      </button>
    </span>
  );
}

/** How full something is, in millionths; above the limit it says so by colour and beyond colour by its figure. */
export function Bar({
  micro,
  label,
  warnAbove = 800_000,
  badAbove = 1_000_000,
}: {
  micro: number;
  label: string;
  warnAbove?: number;
  badAbove?: number;
}) {
  const share = Math.min(Math.max(micro, 0), 1_000_000) / 10_000;
  const colour = micro > badAbove ? "bg-bad" : micro > warnAbove ? "bg-warn" : "bg-accent";
  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw a <meter> in their own colours
    <div
      className="h-2 w-full overflow-hidden rounded-full bg-sunken"
      role="meter"
      aria-label={label}
      aria-valuenow={Math.round(share)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <div className={joined("h-full rounded-full", colour)} style={{ width: `${share}%` }} />
    </div>
  );
}

/** JSON as it stands on the ledger, to be read. */
export function Json({ value }: { value: unknown }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <pre tabIndex={0} className="max-h-96 overflow-auto rounded-lg bg-sunken p-3 font-mono text-sm whitespace-pre-wrap">
      {JSON.stringify(value, null, 2)}
    </pre>
  );
}

/** A link in text. */
export function To({ href, children, title }: { href: string; children: ReactNode; title?: string }) {
  return (
    <Link
      href={href}
      title={title}
      className="text-accent underline decoration-accent/35 underline-offset-3 hover:decoration-accent"
    >
      {children}
    </Link>
  );
}
