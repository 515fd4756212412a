/** The table behind a chart, made when it is opened. */

import { type ReactNode, useState } from "react";
import { COMMON, useTexts } from "../i18n";

export function Behind({ children }: { children(): ReactNode }) {
  const t = useTexts(COMMON);
  const [open, setOpen] = useState(false);
  return (
    <details className="mt-2" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="w-fit rounded text-sm text-ink-soft hover:text-accent">{t.asTable}</summary>
      {open && <div className="mt-2 max-h-96 overflow-auto rounded-lg border border-line">{children()}</div>}
    </details>
  );
}
