/**
 * How a page stands: waiting, empty, refused, behind, offline. `Answer` draws what was asked, or says why not:
 *
 *     <Answer of={useQuery(…)} empty={(page) => page.items.length === 0}>{(page) => …}</Answer>
 *
 * What was seen stays seen while it is asked anew, or when that fails.
 */

import type { ReactNode } from "react";
import { COMMON, useTexts } from "../i18n";
import { Button } from "./Button";
import { Icon, type IconName } from "./icons";
import { joined } from "./joined";
import { Page } from "./Page";

/** What TanStack's queries answer, as far as it is needed here. */
export interface Asked<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly isPending: boolean;
  readonly isFetching: boolean;
  refetch(): unknown;
}

interface AnswerProps<T> {
  readonly of: Asked<T>;
  empty?(data: T): boolean;
  /** Instead of the plain sentence that there is nothing */
  readonly whenEmpty?: ReactNode;
  /** How many lines to hint at while waiting */
  readonly lines?: number;
  /** The page's title, where the whole page waits for this answer */
  readonly title?: string;
  children(data: T): ReactNode;
}

export function Answer<T>({ of, empty, whenEmpty, lines = 3, title, children }: AnswerProps<T>) {
  if (of.data === undefined) {
    const waiting = of.error ? (
      <Failed error={of.error} onRetry={() => of.refetch()} busy={of.isFetching} />
    ) : (
      <Loading lines={lines} />
    );
    return title ? <Page title={title}>{waiting}</Page> : waiting;
  }
  return (
    <>
      {Boolean(of.error) && <Failed small error={of.error} onRetry={() => of.refetch()} busy={of.isFetching} />}
      {empty?.(of.data) ? (whenEmpty ?? <Empty />) : children(of.data)}
    </>
  );
}

export function Loading({ lines = 3 }: { lines?: number }) {
  const t = useTexts(COMMON);
  return (
    <div role="status" className="grid gap-3 p-4 sm:p-5">
      <span className="sr-only">{t.loading}</span>
      {Array.from({ length: lines }, (_, at) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a drawing have nothing else
          key={at}
          className="animate-breathe h-4 rounded bg-sunken"
          style={{ width: `${92 - ((at * 23) % 40)}%` }}
        />
      ))}
    </div>
  );
}

interface EmptyProps {
  readonly title?: string;
  readonly text?: ReactNode;
  readonly icon?: IconName;
  readonly action?: ReactNode;
}

export function Empty({ title, text, icon = "block", action }: EmptyProps) {
  const t = useTexts(COMMON);
  return (
    <div className="grid justify-items-center gap-1.5 px-4 py-7 text-center">
      <span className="mb-1 grid size-11 place-items-center rounded-full bg-sunken text-ink-soft">
        <Icon name={icon} />
      </span>
      <p className="font-medium">{title ?? t.emptyTitle}</p>
      {text && <p className="max-w-md text-ink-soft">{text}</p>}
      {action && <div className="mt-3">{action}</div>}
    </div>
  );
}

/** An error's stable code and status, where it carries them (the API's problems do). */
export function problemOf(error: unknown): { code: string; status: number; text: string } {
  const known = error as { code?: unknown; status?: unknown; message?: unknown } | null;
  return {
    code: typeof known?.code === "string" ? known.code : "",
    status: typeof known?.status === "number" ? known.status : 0,
    text: typeof known?.message === "string" ? known.message : "",
  };
}

interface FailedProps {
  readonly error: unknown;
  onRetry?(): void;
  readonly busy?: boolean;
  readonly small?: boolean;
}

export function Failed({ error, onRetry, busy = false, small = false }: FailedProps) {
  const t = useTexts(COMMON);
  const { code, status, text } = problemOf(error);
  const offline = !navigator.onLine;
  const missing = status === 404;
  const title = offline ? t.offlineTitle : missing ? t.missingTitle : t.failedTitle;
  const more = offline ? t.offlineText : missing ? t.missingText : text || t.failedText;
  return (
    <div
      role="alert"
      className={joined(
        "flex flex-wrap items-center gap-x-4 gap-y-2 text-start",
        small ? "m-3 rounded-lg bg-warn-soft px-3 py-2 text-sm" : "flex-col px-4 py-10 text-center!",
      )}
    >
      {!small && (
        <span
          className={joined(
            "grid size-11 place-items-center rounded-full",
            missing ? "bg-sunken text-ink-soft" : "bg-bad-soft text-bad",
          )}
        >
          <Icon name={offline ? "offline" : missing ? "search" : "alert"} />
        </span>
      )}
      <div className="min-w-0 grow">
        <p className="font-medium">{title}</p>
        <p className={small ? "" : "max-w-md text-ink-soft"}>{more}</p>
        {code && !missing && <p className="mt-1 font-mono text-sm text-ink-soft">{t.code(code)}</p>}
      </div>
      {onRetry && !missing && (
        <Button onClick={onRetry} busy={busy} look={small ? "plain" : "quiet"}>
          {t.retry}
        </Button>
      )}
    </div>
  );
}

/** Above a page: what holds for all of it. */
export function Notice({
  tone = "info",
  icon = "time",
  title,
  children,
}: {
  tone?: "info" | "warn" | "bad" | "good";
  icon?: IconName;
  title: string;
  children?: ReactNode;
}) {
  const colour = { info: "bg-info-soft", warn: "bg-warn-soft", bad: "bg-bad-soft", good: "bg-good-soft" }[tone];
  const sign = { info: "text-info", warn: "text-warn", bad: "text-bad", good: "text-good" }[tone];
  return (
    <div role="status" className={joined("flex items-start gap-3 rounded-xl px-4 py-3", colour)}>
      <span className={joined("mt-0.5", sign)}>
        <Icon name={icon} />
      </span>
      <div className="min-w-0">
        <p className="font-medium">{title}</p>
        {children && <div className="text-sm">{children}</div>}
      </div>
    </div>
  );
}

export function Offline() {
  const t = useTexts(COMMON);
  return (
    <Notice tone="warn" icon="offline" title={t.offlineTitle}>
      {t.offlineText}
    </Notice>
  );
}

/** `ago`: of when the last block is that the figures know; null while there are none at all. */
export function Stale({ ago }: { ago: string | null }) {
  const t = useTexts(COMMON);
  return (
    <Notice tone="warn" icon="time" title={ago === null ? t.awayTitle : t.staleTitle}>
      {ago === null ? t.awayText : t.staleText(ago)}
    </Notice>
  );
}

/** The first thing that the keyboard reaches. */
export function SkipLink() {
  const t = useTexts(COMMON);
  return (
    <a
      href="#content"
      className="sr-only rounded-lg bg-accent px-4 py-2 text-on-accent focus:not-sr-only focus:fixed focus:start-3 focus:top-3 focus:z-50"
    >
      {t.skip}
    </a>
  );
}
