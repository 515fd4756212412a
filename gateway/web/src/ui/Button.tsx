/** Buttons, and links that look like them. One `primary` a page: what one came for. */

import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Link } from "wouter";
import { Icon, type IconName } from "./icons";
import { joined } from "./joined";

type Look = "primary" | "quiet" | "plain" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  quiet: "border border-line bg-surface text-ink hover:border-line-strong",
  plain: "text-accent hover:bg-accent-soft",
  danger: "border border-bad bg-surface text-bad hover:bg-bad-soft",
};

const SHAPE =
  "inline-flex min-h-11 items-center justify-center gap-2 rounded-lg px-4 py-2 text-center font-medium transition-colors disabled:opacity-55";

interface Common {
  readonly look?: Look;
  readonly icon?: IconName;
  readonly children: ReactNode;
}

export function Button({
  look = "quiet",
  icon,
  busy = false,
  children,
  className,
  disabled,
  ...rest
}: Common & ButtonHTMLAttributes<HTMLButtonElement> & { busy?: boolean }) {
  return (
    <button
      type="button"
      className={joined(SHAPE, LOOKS[look], className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <Waiting /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function ButtonLink({
  look = "quiet",
  icon,
  children,
  href,
  className,
}: Common & { href: string; className?: string }) {
  return (
    <Link href={href} className={joined(SHAPE, LOOKS[look], className)}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

/** A download: the browser saves what the gateway sends. */
export function DownloadLink({ look = "quiet", icon, children, href }: Common & { href: string }) {
  return (
    <a href={href} download className={joined(SHAPE, LOOKS[look])}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

export function IconButton({
  icon,
  label,
  className,
  ...rest
}: { icon: IconName; label: string } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={joined(
        "inline-grid size-11 place-items-center rounded-lg text-ink-soft transition-colors hover:bg-sunken hover:text-ink",
        className,
      )}
      {...rest}
    >
      <Icon name={icon} />
    </button>
  );
}

function Waiting() {
  return (
    <span
      aria-hidden="true"
      className="size-4 rounded-full border-2 border-current border-e-transparent motion-safe:animate-spin"
    />
  );
}
