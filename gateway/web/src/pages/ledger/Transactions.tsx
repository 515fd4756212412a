/** Lists of transactions, as several pages show them. */

import type { TransactionRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Badge, type Column, Hash, Table, To } from "../../ui";
import { toBlock, toIdentity, toTransaction } from "./places";
import { TEXTS } from "./texts";

export function Result({ code }: { code: string }) {
  const t = useTexts(TEXTS);
  return code === "OK" ? <Badge tone="good">{t.ok}</Badge> : <Badge tone="bad">{code}</Badge>;
}

/** `contract.function`; '' of a timer's call that names none. */
export const callOf = (row: Pick<TransactionRow, "contract" | "function">): string =>
  [row.contract, row.function].filter(Boolean).join(".");

export function Creator({ row }: { row: Pick<TransactionRow, "origin" | "creator"> }) {
  const t = useTexts(TEXTS);
  if (row.origin === 1) return <span className="text-ink-soft">{t.timer}</span>;
  if (row.origin === 2) return <span className="text-ink-soft">{t.reward}</span>;
  if (!row.creator) return <span className="text-ink-soft">{t.someone}</span>;
  return <Hash value={row.creator} href={toIdentity(row.creator)} />;
}

interface TransactionsProps {
  readonly rows: readonly TransactionRow[];
  readonly onMore?: (() => void) | undefined;
  readonly busy?: boolean;
  /** In a block's own page the block is known */
  readonly ofBlock?: boolean;
}

export function Transactions({ rows, onMore, busy = false, ofBlock = false }: TransactionsProps) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<TransactionRow>[] = [
    {
      id: "call",
      title: t.function,
      main: true,
      cell: (row) => <To href={toTransaction(row.id)}>{callOf(row) || t.timerCall}</To>,
    },
    { id: "result", title: t.result, cell: (row) => <Result code={row.code} /> },
    { id: "creator", title: t.creator, cell: (row) => <Creator row={row} /> },
    ofBlock
      ? { id: "position", title: t.position, figure: true, cell: (row) => format.number(row.position) }
      : {
          id: "height",
          title: t.height,
          figure: true,
          cell: (row) => <To href={toBlock(row.height)}>{format.number(row.height)}</To>,
        },
    { id: "time", title: t.time, figure: true, cell: (row) => format.moment(row.time_ms) },
  ];
  return (
    <Table
      caption={t.transactions}
      columns={columns}
      rows={rows}
      keyOf={(row) => `${row.height}.${row.position}`}
      onMore={onMore}
      busy={busy}
    />
  );
}
