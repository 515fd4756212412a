/** The frame of every page: its name, a sentence of what it is, its one action; below, cards. */

import { type ReactNode, useEffect, useId } from "react";
import { Link } from "wouter";
import { Icon } from "./icons";
import { joined } from "./joined";

interface PageProps {
  readonly title: string;
  readonly lead?: ReactNode;
  /** The one thing that one does here */
  readonly action?: ReactNode;
  readonly back?: { readonly href: string; readonly label: string };
  readonly children: ReactNode;
}

export function Page({ title, lead, action, back, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · ledgernode`;
  }, [title]);
  return (
    <div className="animate-appear mx-auto w-full max-w-6xl px-4 py-6 sm:px-6 sm:py-8">
      {back && (
        <Link href={back.href} className="mb-3 inline-flex items-center gap-1 text-sm text-ink-soft hover:text-accent">
          <Icon name="chevron" className="size-4 rotate-180" />
          {back.label}
        </Link>
      )}
      <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-4">
        <div className="min-w-0 max-w-2xl">
          <h1 className="text-2xl font-semibold tracking-tight sm:text-3xl">{title}</h1>
          {lead && <p className="mt-1.5 text-ink-soft">{lead}</p>}
        </div>
        {action && <div className="flex flex-wrap gap-2">{action}</div>}
      </header>
      <div className="grid grid-cols-1 gap-5">{children}</div>
    </div>
  );
}

interface CardProps {
  readonly title?: ReactNode;
  readonly lead?: ReactNode;
  readonly action?: ReactNode;
  /** The content reaches the edges: a table */
  readonly flush?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Card({ title, lead, action, flush = false, className, children }: CardProps) {
  const id = useId();
  return (
    <section
      aria-labelledby={title ? id : undefined}
      className={joined("min-w-0 overflow-hidden rounded-card border border-line bg-surface", className)}
    >
      {(title || action) && (
        <header
          className={joined("flex flex-wrap items-start justify-between gap-3 px-4 pt-4 sm:px-5", flush && "pb-3")}
        >
          <div className="min-w-0">
            {title && (
              <h2 id={id} className="text-base font-semibold">
                {title}
              </h2>
            )}
            {lead && <p className="mt-0.5 text-sm text-ink-soft">{lead}</p>}
          </div>
          {action}
        </header>
      )}
      <div className={flush ? "" : "p-4 sm:p-5"}>{children}</div>
    </section>
  );
}

/** Cards beside each other where there is room. */
export function Columns({ children, of = 2 }: { children: ReactNode; of?: 2 | 3 | 4 }) {
  const wide = { 2: "lg:grid-cols-2", 3: "sm:grid-cols-2 lg:grid-cols-3", 4: "grid-cols-2 lg:grid-cols-4" }[of];
  return <div className={joined("grid gap-3 sm:gap-5", of !== 4 && "grid-cols-1", wide)}>{children}</div>;
}
