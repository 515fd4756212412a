/** One customer: where it lives, its wallets, its bills. */

import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import { useNames } from "../../api/names";
import type { InvoiceRow, PointRow, Tenancy, WalletRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, type Column, Columns, Empty, Hash, Page, Table, To } from "../../ui";
import type { CustomerShown } from "./answers";
import { OPERATOR, toBill, toPoint } from "./places";
import { TEXTS } from "./texts";

export default function Customer({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const asked = useAsked<CustomerShown>(`/customers/${part(params.id)}`);
  const named = useNames([params.id]).get(params.id);
  const lead = named?.name && [params.id, ...named.lines].join(" · ");
  return (
    <Page
      title={named?.name || params.id}
      lead={lead || t.customer}
      back={{ href: `${OPERATOR}/customers`, label: t.customers }}
    >
      <Answer of={asked} lines={6}>
        {(shown) => (
          <>
            <Points rows={shown.points} />
            <Bills customer={params.id} />
            <Columns>
              <Wallets rows={shown.wallets} />
              <Tenancies rows={shown.tenancies} />
            </Columns>
          </>
        )}
      </Answer>
    </Page>
  );
}

function Points({ rows }: { rows: readonly PointRow[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<PointRow>[] = [
    { id: "point", title: t.point, main: true, cell: (row) => <To href={toPoint(row.point)}>{row.point}</To> },
    { id: "kind", title: t.kind, cell: (row) => row.kind },
    { id: "feeder", title: t.feeder, cell: (row) => row.feeder || "–" },
    { id: "tariff", title: t.tariff, cell: (row) => row.tariff || "–" },
    { id: "paid", title: t.paying, cell: (row) => (row.prepaid ? t.prepaid : t.postpaid) },
    { id: "rating", title: t.rating, figure: true, cell: (row) => format.power(row.import_rating_w * 1_000) },
  ];
  return (
    <Card title={t.points} flush>
      {rows.length === 0 ? (
        <Empty icon="home" title={t.noPoints} />
      ) : (
        <Table caption={t.points} columns={columns} rows={rows} keyOf={(row) => row.point} />
      )}
    </Card>
  );
}

function Bills({ customer }: { customer: string }) {
  const t = useTexts(TEXTS);
  const asked = usePages<InvoiceRow>("/bills", { customer, size: 20 });
  return (
    <Card title={t.bills} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="bill" title={t.noBills} />}>
        {(rows) => <BillTable rows={rows} onMore={asked.more} />}
      </Answer>
    </Card>
  );
}

export function BillTable({ rows, onMore }: { rows: readonly InvoiceRow[]; onMore: (() => void) | undefined }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<InvoiceRow>[] = [
    { id: "invoice", title: t.bill, main: true, cell: (row) => <To href={toBill(row.invoice)}>{row.invoice}</To> },
    { id: "status", title: t.status, cell: (row) => <BillStatus row={row} /> },
    { id: "issued", title: t.issued, figure: true, cell: (row) => format.date(row.issued_ms) },
    { id: "due", title: t.due, figure: true, cell: (row) => (row.due_ms ? format.date(row.due_ms) : "–") },
    { id: "total", title: t.total, figure: true, cell: (row) => format.money(row.total_minor) },
  ];
  return <Table caption={t.bills} columns={columns} rows={rows} keyOf={(row) => row.invoice} onMore={onMore} />;
}

function BillStatus({ row }: { row: InvoiceRow }) {
  const t = useTexts(TEXTS);
  if (row.dispute === "open") return <Badge tone="warn">{t.disputed}</Badge>;
  if (row.settled_ms) return <Badge tone="good">{t.settled}</Badge>;
  return row.overdue ? <Badge tone="bad">{t.overdue}</Badge> : <Badge tone="info">{t.open}</Badge>;
}

function Wallets({ rows }: { rows: readonly WalletRow[] }) {
  const t = useTexts(TEXTS);
  return (
    <Card title={t.wallets}>
      {rows.length === 0 ? (
        <Empty icon="wallet" title={t.noWallets} />
      ) : (
        <ul className="grid gap-2">
          {rows.map((row) => (
            <li key={row.wallet} className="flex items-center justify-between gap-3">
              <Hash value={row.wallet} href={`/ledger/identities/${row.wallet}`} />
              {row.removed && <Badge>{t.removed}</Badge>}
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Tenancies({ rows }: { rows: readonly Tenancy[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  return (
    <Card title={t.tenancies}>
      {rows.length === 0 ? (
        <Empty icon="home" />
      ) : (
        <ul className="grid gap-2">
          {rows.map((row) => (
            <li key={`${row.premises} ${row.from_ms}`} className="flex justify-between gap-3">
              <span className="min-w-0">{row.premises}</span>
              <span className="text-ink-soft">{t.since_(format.date(row.from_ms))}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
