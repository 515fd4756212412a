/** The contracts and their versions, as the organisations have approved them. */

import { useAsked } from "../../api/asking";
import type { PackageApproval, PackageRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, type Column, Hash, Page, Table, To } from "../../ui";
import { LEDGER, toBlock, toIdentity, toTransaction } from "./places";
import { TEXTS } from "./texts";

interface Packaged {
  readonly row: PackageRow;
  readonly approvals: readonly PackageApproval[];
}

export default function Contracts() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = useAsked<{ items: readonly Packaged[] }>("/contracts");
  const columns: Column<Packaged>[] = [
    {
      id: "name",
      title: t.contract,
      main: true,
      value: ({ row }) => row.name,
      cell: ({ row }) => (row.transaction ? <To href={toTransaction(row.transaction)}>{row.name}</To> : row.name),
    },
    { id: "version", title: t.version, cell: ({ row }) => row.version },
    { id: "hash", title: t.package, cell: ({ row }) => <Hash value={row.package_hash} /> },
    {
      id: "by",
      title: t.by,
      cell: ({ row }) =>
        row.installed_by ? <Hash value={row.installed_by} href={toIdentity(row.installed_by)} /> : "–",
    },
    {
      id: "approvals",
      title: t.approvedBy,
      cell: ({ approvals }) =>
        approvals
          .filter((one) => !one.withdrawn)
          .map((one) => one.organisation)
          .join(", ") || "–",
    },
    {
      id: "height",
      title: t.committedAt,
      figure: true,
      value: ({ row }) => row.committed_height,
      cell: ({ row }) =>
        row.committed_height > 0 ? (
          <To href={toBlock(row.committed_height)}>{format.number(row.committed_height)}</To>
        ) : (
          <Badge>{t.notCommitted}</Badge>
        ),
    },
  ];
  return (
    <Page title={t.contracts} lead={t.contractsLead} back={{ href: LEDGER, label: t.explorer }}>
      <Card flush>
        <Answer of={asked} empty={(answer) => answer.items.length === 0}>
          {(answer) => (
            <Table
              caption={t.contracts}
              columns={columns}
              rows={answer.items}
              keyOf={({ row }) => `${row.name} ${row.package_hash}`}
              sortable
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
