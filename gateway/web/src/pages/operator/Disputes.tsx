/** Bills that somebody disputes: read the reason, propose how it ends; another person of the utility approves. */

import { useState } from "react";
import { usePages } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { InvoiceRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Button, Card, Dialog, Empty, Page, TextField, To } from "../../ui";
import { Act } from "../Act";
import { Waiting } from "../ledger/Governance";
import { toBill, toCustomer } from "./places";
import { TEXTS } from "./texts";

export default function Disputes() {
  const t = useTexts(TEXTS);
  const person = usePerson();
  const asked = usePages<InvoiceRow>("/disputes");
  const [chosen, setChosen] = useState<InvoiceRow | null>(null);
  useLive("blocks", ["/disputes", "/proposals"]);
  return (
    <Page title={t.disputes} lead={t.disputesLead}>
      <Card title={t.openDisputes}>
        <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="check" title={t.noDisputes} />}>
          {(rows) => (
            <ul className="grid gap-4">
              {rows.map((row) => (
                <One
                  key={row.invoice}
                  row={row}
                  {...(isStaff(person.role) ? { onResolve: () => setChosen(row) } : {})}
                />
              ))}
            </ul>
          )}
        </Answer>
      </Card>
      <Waiting contract="billing" />
      {chosen && <Resolve row={chosen} onClose={() => setChosen(null)} />}
    </Page>
  );
}

function One({ row, onResolve }: { row: InvoiceRow; onResolve?: () => void }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  return (
    <li className="flex flex-wrap items-start justify-between gap-3 border-line not-first:border-t not-first:pt-4">
      <div className="min-w-0">
        <p className="font-medium">
          <To href={toBill(row.invoice)}>{row.invoice}</To> · {format.money(row.total_minor)}
        </p>
        <p className="text-sm text-ink-soft">
          <To href={toCustomer(row.customer)}>{row.customer}</To> · {format.date(row.issued_ms)}
        </p>
        <blockquote className="mt-2 border-s-2 border-line-strong ps-3">{row.dispute_text}</blockquote>
      </div>
      {onResolve && <Button onClick={onResolve}>{t.resolve}</Button>}
    </li>
  );
}

function Resolve({ row, onClose }: { row: InvoiceRow; onClose: () => void }) {
  const t = useTexts(TEXTS);
  const [text, setText] = useState("");
  const call = {
    contract: "billing",
    function: "propose_resolve",
    arguments: { invoice: row.invoice, resolution: text.trim() },
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => open || onClose()}
      title={t.resolveTitle(row.invoice)}
      lead={t.resolveLead}
      actions={
        <Act look="primary" call={call} disabled={text.trim() === ""} onDone={onClose}>
          {t.propose}
        </Act>
      }
    >
      <TextField label={t.resolution} value={text} maxLength={140} onChange={(event) => setText(event.target.value)} />
    </Dialog>
  );
}
