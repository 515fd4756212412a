/**
 * One bill: what it is made of, paying it, its documents, its payments; and checking it. The code on its paper leads to
 * `/verify/…`, where it is checked at once.
 */

import { type FormEvent, useState } from "react";
import { useLocation, useParams } from "wouter";

import { useAsked, usePages } from "../../api/asking";
import { PREFIX, part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { PaymentRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useLanguage, useTexts } from "../../i18n";
import { useSession } from "../../session/SessionProvider";
import {
  Answer,
  Button,
  Card,
  type Column,
  Columns,
  DownloadLink,
  Facts,
  Field,
  Hash,
  Notice,
  Page,
  Table,
  To,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { useAskContract } from "../../wallet/useAskContract";
import { BillState } from "./Bills";
import { type BillRow, isOpen, newRequest } from "./money";
import { CUSTOMER } from "./texts";
import { Verify } from "./Verify";
import { addUp, type Line } from "./verifying";

/** With its lines, where the read model has them all: else they are asked of the ledger. */
export interface BillShown extends BillRow {
  readonly issued_transaction: string;
  readonly lines: readonly Line[] | null;
}

/** `billing.invoice`, as far as it is shown. */
interface View {
  readonly invoice: { readonly lines: readonly Line[] };
}

export function Bill() {
  const { bill = "" } = useParams<{ bill: string }>();
  const t = useTexts(CUSTOMER).bills;
  const id = decodeURIComponent(bill);
  useLive("notices", ["/bills", "/payments"]);
  const asked = useAsked<BillShown>(`/bills/${part(id)}`);
  return (
    <Answer of={asked} lines={8} title={t.bill}>
      {(found) => <Shown bill={found} back={{ href: "/bills", label: t.all }} />}
    </Answer>
  );
}

function Shown({ bill, back }: { bill: BillShown; back: { href: string; label: string } }) {
  const t = useTexts(CUSTOMER).bills;
  const format = useFormat();
  const { language } = useLanguage();
  const [location] = useLocation();
  const { account } = useSession();
  const confirm = useConfirm();
  const asking = { when: bill.lines === null, path: "/bills" };
  const view = useAskContract<View>("billing", "invoice", { invoice: bill.invoice }, asking);
  const left = bill.open_minor;
  const lines = bill.lines ?? view.data?.invoice.lines ?? null;
  const pay = () =>
    confirm({
      contract: "billing",
      function: "pay",
      arguments: { invoice: bill.invoice, amount_minor: left, request: newRequest() },
    });
  const documents = `${PREFIX}/bills/${part(bill.invoice)}/document`;
  return (
    <Page
      title={t.one(String(bill.number))}
      back={back}
      lead={t.period(format.date(bill.from_ms), format.date(bill.until_ms - 1))}
      action={
        <>
          {isOpen(bill) && account && (
            <Button look="primary" icon="bill" onClick={() => void pay()}>
              {t.pay(format.money(left))}
            </Button>
          )}
          <DownloadLink href={`${documents}.pdf?language=${language}`}>{t.pdf}</DownloadLink>
          <DownloadLink href={`${documents}.csv`}>{t.csv}</DownloadLink>
        </>
      }
    >
      {bill.dispute === "open" && <Notice tone="warn" icon="alert" title={t.disputed} />}
      <Columns of={2}>
        <Card>
          <Facts
            of={[
              [t.state, <BillState key="state" status={bill.status} />],
              [
                t.total,
                <strong key="total" className="text-xl">
                  {format.money(bill.total_minor)}
                </strong>,
              ],
              bill.paid_minor > 0 ? [t.paidSoFar, format.money(bill.paid_minor)] : null,
              bill.credited_minor > 0 ? [t.credited, format.money(bill.credited_minor)] : null,
              isOpen(bill) ? [t.stillOpen, format.money(left)] : null,
              bill.due_ms > 0 ? [t.dueOn, format.date(bill.due_ms)] : null,
              [t.issued, format.date(bill.issued_ms)],
              [t.bill, <Hash key="id" value={bill.invoice} length={20} />],
            ]}
          />
        </Card>
        <Verify bill={bill} lines={lines} atOnce={location.startsWith("/verify/")} />
      </Columns>
      <Card title={t.lines} lead={t.linesLead} flush>
        {lines ? (
          <Lines lines={lines} total={bill.total_minor} />
        ) : account ? (
          <Answer of={view}>{() => null}</Answer>
        ) : (
          <p className="px-4 pb-4 text-ink-soft sm:px-5">{t.noLines}</p>
        )}
      </Card>
      <Payments invoice={bill.invoice} />
      {isOpen(bill) && bill.dispute !== "open" && account && <Dispute invoice={bill.invoice} />}
    </Page>
  );
}

function Lines({ lines, total }: { lines: readonly Line[]; total: number }) {
  const t = useTexts(CUSTOMER).bills;
  const format = useFormat();
  const quantity = (line: Line) => {
    if (line.unit === "mwh") return format.energy(line.quantity);
    return line.unit === ""
      ? line.quantity
        ? format.number(line.quantity)
        : ""
      : `${format.number(line.quantity)} ${line.unit}`;
  };
  const columns: Column<Line>[] = [
    { id: "what", title: t.what, main: true, cell: (line) => line.name || line.kind },
    { id: "quantity", title: t.quantity, figure: true, cell: quantity },
    {
      id: "price",
      title: t.price,
      figure: true,
      cell: (line) => (line.unit === "mwh" && line.price_micro !== 0 ? format.price(line.price_micro) : ""),
    },
    { id: "amount", title: t.amount, figure: true, cell: (line) => format.money(line.amount_minor) },
  ];
  const agrees = addUp(lines) === BigInt(total);
  return (
    <>
      <Table caption={t.lines} columns={columns} rows={lines} keyOf={(_, at) => String(at)} />
      <p className={`flex justify-between gap-4 border-t border-line px-4 py-3 font-semibold sm:px-5`}>
        <span>{t.total}</span>
        <span>{format.money(total)}</span>
      </p>
      <p className={`px-4 pb-4 text-sm sm:px-5 ${agrees ? "text-ink-soft" : "text-bad"}`}>
        {agrees ? t.sumAgrees : t.sumDiffers}
      </p>
    </>
  );
}

function Payments({ invoice }: { invoice: string }) {
  const t = useTexts(CUSTOMER).bills;
  const format = useFormat();
  const asked = usePages<PaymentRow>("/payments", { bill: invoice });
  const columns: Column<PaymentRow>[] = [
    {
      id: "when",
      title: t.when,
      main: true,
      cell: (row) => <To href={`/ledger/transactions/${row.transaction}`}>{format.time(row.time_ms)}</To>,
    },
    { id: "payer", title: t.payer, cell: (row) => <Hash value={row.payer} /> },
    { id: "amount", title: t.amount, figure: true, cell: (row) => format.money(row.amount_minor) },
  ];
  return (
    <Card title={t.payments} flush>
      <Answer
        of={asked}
        empty={(rows) => rows.length === 0}
        whenEmpty={<p className="px-4 pb-4 text-ink-soft sm:px-5">{t.noPayments}</p>}
      >
        {(rows) => (
          <Table
            caption={t.payments}
            columns={columns}
            rows={rows}
            keyOf={(row, at) => `${row.transaction} ${at}`}
            onMore={asked.more}
            busy={asked.busy}
          />
        )}
      </Answer>
    </Card>
  );
}

function Dispute({ invoice }: { invoice: string }) {
  const t = useTexts(CUSTOMER).bills;
  const confirm = useConfirm();
  const [reason, setReason] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!reason.trim()) return;
    await confirm({ contract: "billing", function: "dispute", arguments: { invoice, reason: reason.trim() } });
  };
  return (
    <details className="rounded-card border border-line bg-surface px-4 py-2 sm:px-5">
      <summary className="min-h-11 py-2">{t.dispute}</summary>
      <form className="grid max-w-xl gap-4 pb-4" onSubmit={submit} noValidate>
        <Field
          label={t.disputeReason}
          value={reason}
          maxLength={200}
          onChange={(event) => setReason(event.target.value)}
        />
        <Button type="submit" disabled={!reason.trim()}>
          {t.disputeGo}
        </Button>
      </form>
    </details>
  );
}
