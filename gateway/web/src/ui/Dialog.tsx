/**
 * A dialog by Radix: focus stays in it, Escape closes it, the page behind is inert. The veil is our own element, for
 * Radix' overlay writes a `<style>` that a strict policy of content refuses. A sheet from below on a phone.
 */

import * as Radix from "@radix-ui/react-dialog";
import type { ReactNode } from "react";
import { COMMON, useTexts } from "../i18n";
import { Icon } from "./icons";

interface DialogProps {
  readonly open: boolean;
  onOpenChange(open: boolean): void;
  readonly title: string;
  readonly lead?: ReactNode;
  readonly children: ReactNode;
  /** The buttons, the one that does it first */
  readonly actions?: ReactNode;
}

export function Dialog({ open, onOpenChange, title, lead, children, actions }: DialogProps) {
  const t = useTexts(COMMON);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <div data-sheet className="fixed inset-0 z-40 bg-veil motion-safe:animate-appear" />
        <Radix.Content
          className="animate-appear fixed inset-x-0 bottom-0 z-50 mx-auto flex max-h-[92dvh] w-full max-w-lg flex-col rounded-t-2xl border border-line bg-surface shadow-lift sm:inset-y-0 sm:my-auto sm:h-fit sm:rounded-2xl"
          {...(lead ? {} : { "aria-describedby": undefined })}
        >
          <header className="flex items-start justify-between gap-4 px-5 pt-5">
            <div className="min-w-0">
              <Radix.Title className="text-lg font-semibold">{title}</Radix.Title>
              {lead && <Radix.Description className="mt-1 text-ink-soft">{lead}</Radix.Description>}
            </div>
            <Radix.Close
              aria-label={t.close}
              className="-m-2 grid size-11 shrink-0 place-items-center rounded-lg text-ink-soft hover:text-ink"
            >
              <Icon name="close" />
            </Radix.Close>
          </header>
          <div className="min-h-0 overflow-y-auto px-5 py-4">{children}</div>
          {actions && (
            <footer className="flex flex-row-reverse flex-wrap gap-2 border-t border-line px-5 py-4 max-sm:*:grow">
              {actions}
            </footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
