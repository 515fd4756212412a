/** The ledger's first page: search, the latest blocks, the latest transactions. */

import { usePages } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { BlockRow, TransactionRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Card, type Column, Hash, Page, Table, To } from "../../ui";
import { toBlock } from "./places";
import { Search } from "./Search";
import { Transactions } from "./Transactions";
import { TEXTS } from "./texts";

export default function Explorer() {
  const t = useTexts(TEXTS);
  const blocks = usePages<BlockRow>("/blocks", { size: 10 });
  const transactions = usePages<TransactionRow>("/transactions", { size: 10 });
  useLive("blocks", ["/blocks", "/transactions"]);
  return (
    <Page title={t.explorer} lead={t.explorerLead}>
      <Search />
      <Card title={t.latestBlocks} flush>
        <Answer of={blocks} empty={(rows) => rows.length === 0} lines={6}>
          {(rows) => <Blocks rows={rows} onMore={blocks.more} busy={blocks.busy} />}
        </Answer>
      </Card>
      <Card title={t.latestTransactions} flush>
        <Answer of={transactions} empty={(rows) => rows.length === 0} lines={6}>
          {(rows) => <Transactions rows={rows} onMore={transactions.more} busy={transactions.busy} />}
        </Answer>
      </Card>
    </Page>
  );
}

interface BlocksProps {
  readonly rows: readonly BlockRow[];
  readonly onMore: (() => void) | undefined;
  readonly busy: boolean;
}

function Blocks({ rows, onMore, busy }: BlocksProps) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<BlockRow>[] = [
    {
      id: "height",
      title: t.height,
      main: true,
      cell: (row) => <To href={toBlock(row.height)}>{format.number(row.height)}</To>,
    },
    { id: "hash", title: t.hash, cell: (row) => <Hash value={row.hash} href={toBlock(row.height)} /> },
    { id: "transactions", title: t.transactions, figure: true, cell: (row) => format.number(row.transactions) },
    { id: "signatures", title: t.signatures, figure: true, cell: (row) => format.number(row.signatures) },
    { id: "time", title: t.time, figure: true, cell: (row) => format.moment(row.time_ms) },
  ];
  return (
    <Table caption={t.blocks} columns={columns} rows={rows} keyOf={(row) => row.hash} onMore={onMore} busy={busy} />
  );
}
