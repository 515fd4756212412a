/** What contracts have told, of all or of one. */

import { useState } from "react";
import { usePages } from "../../api/asking";
import type { EventRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Card, Choice, type Column, Page, Table, To } from "../../ui";
import { LEDGER, toBlock } from "./places";
import { useContracts } from "./TransactionList";
import { TEXTS } from "./texts";

export default function Events() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const [contract, setContract] = useState("");
  const contracts = useContracts();
  const asked = usePages<EventRow>("/events", { contract, size: 50 });
  const columns: Column<EventRow>[] = [
    { id: "name", title: t.event, main: true, cell: (row) => `${row.contract}.${row.name}` },
    { id: "subject", title: t.subject, cell: (row) => <span className="font-mono text-sm">{row.subject || "–"}</span> },
    {
      id: "height",
      title: t.height,
      figure: true,
      cell: (row) => <To href={toBlock(row.height)}>{format.number(row.height)}</To>,
    },
    { id: "time", title: t.time, figure: true, cell: (row) => format.moment(row.time_ms) },
  ];
  return (
    <Page title={t.events} back={{ href: LEDGER, label: t.explorer }}>
      <Card>
        <Choice
          label={t.filterContract}
          value={contract}
          options={contracts}
          onChange={(event) => setContract(event.target.value)}
        />
      </Card>
      <Card flush>
        <Answer of={asked} empty={(rows) => rows.length === 0} lines={8}>
          {(rows) => (
            <Table
              caption={t.events}
              columns={columns}
              rows={rows}
              keyOf={(row) => `${row.height}.${row.number}`}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
