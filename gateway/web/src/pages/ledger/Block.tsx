/** One block: its header, who has signed it, what is in it. */

import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import type { BlockDetail, Signed, TransactionRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Card, type Column, Columns, Empty, Facts, Hash, Page, Table, To } from "../../ui";
import { LEDGER, toBlock, toIdentity } from "./places";
import { Transactions } from "./Transactions";
import { TEXTS } from "./texts";

export default function Block({ params }: { params: { which: string } }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = useAsked<BlockDetail>(`/blocks/${part(params.which)}`);
  const title = asked.data ? t.block(format.number(asked.data.row.height)) : t.block("…");
  return (
    <Page
      title={title}
      lead={asked.data && format.moment(asked.data.row.time_ms)}
      back={{ href: LEDGER, label: t.explorer }}
    >
      <Answer of={asked} lines={8}>
        {(block) => <Whole block={block} />}
      </Answer>
    </Page>
  );
}

function Whole({ block }: { block: BlockDetail }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { row } = block;
  const inside = usePages<TransactionRow>("/transactions", { height: row.height, size: 50 });
  const [signed, all] = [format.number(block.certificate.length), format.number(block.validators)];
  return (
    <>
      <Columns>
        <Card title={t.header}>
          <Facts
            of={[
              [t.hash, <Hash key="hash" value={row.hash} length={12} />],
              [
                t.parent,
                row.height === 0 ? (
                  t.genesis
                ) : (
                  <Hash key="parent" value={block.parent_hash} href={toBlock(row.height - 1)} length={12} />
                ),
              ],
              [t.chain, <Hash key="chain" value={block.chain_id} length={12} />],
              [t.epoch, format.number(row.epoch)],
              [t.transactionRoot, <Hash key="transactions" value={block.transaction_root} length={12} />],
              [t.receiptsRoot, <Hash key="receipts" value={block.receipts_root} length={12} />],
              [t.commitment, <Hash key="state" value={block.state_commitment} length={12} />],
              [t.currentSet, <Hash key="set" value={block.current_set} length={12} />],
              [t.nextSet, <Hash key="next" value={block.next_set} length={12} />],
            ]}
          />
        </Card>
        <Card title={t.certificate} lead={t.certificateLead(signed, all)} flush>
          {block.certificate.length === 0 ? <Empty icon="shield" /> : <Certificate rows={block.certificate} />}
        </Card>
      </Columns>
      <Card title={t.transactions} lead={format.number(row.receipts)} flush>
        <Answer of={inside} empty={(rows) => rows.length === 0}>
          {(rows) => <Transactions rows={rows} onMore={inside.more} busy={inside.busy} ofBlock />}
        </Answer>
      </Card>
    </>
  );
}

function Certificate({ rows }: { rows: readonly Signed[] }) {
  const t = useTexts(TEXTS);
  const columns: Column<Signed>[] = [
    {
      id: "organisation",
      title: t.organisation,
      main: true,
      cell: (row) => <To href={toIdentity(row.identity)}>{row.organisation}</To>,
    },
    { id: "identity", title: t.validator, cell: (row) => <Hash value={row.identity} /> },
    { id: "signature", title: t.signature, cell: (row) => <Hash value={row.signature} /> },
  ];
  return <Table caption={t.certificate} columns={columns} rows={rows} keyOf={(row) => row.identity} />;
}
