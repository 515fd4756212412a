/** A utility's customers, and wallets that claim to be one of them. */

import { useEffect, useState } from "react";
import { usePages } from "../../api/asking";
import { useNames } from "../../api/names";
import type { CustomerRow } from "../../api/rows";
import { useTexts } from "../../i18n";
import { Answer, Card, type Column, Empty, Field, Hash, Page, Table, To } from "../../ui";
import { toTransaction } from "../ledger/places";
import { Claims } from "./Claims";
import { toCustomer } from "./places";
import { TEXTS } from "./texts";

const PAUSE_MS = 250;

export default function Customers() {
  const t = useTexts(TEXTS);
  const [typed, setTyped] = useState("");
  const [q, setQ] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setQ(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const asked = usePages<CustomerRow>("/customers", { q, size: 50 });
  const shown = asked.data?.map((row) => row.customer) ?? [];
  const names = useNames(shown, shown.length > 0);
  const columns: Column<CustomerRow>[] = [
    {
      id: "customer",
      title: t.customer,
      main: true,
      cell: (row) => {
        const name = names.get(row.customer)?.name;
        return (
          <>
            <To href={toCustomer(row.customer)}>{name || row.customer}</To>
            {name && <span className="block text-sm font-normal text-ink-soft">{row.customer}</span>}
          </>
        );
      },
    },
    { id: "utility", title: t.utility, cell: (row) => row.utility },
    {
      id: "document",
      title: t.document,
      cell: (row) => (row.document_hash ? <Hash value={row.document_hash} /> : "–"),
    },
    {
      id: "since",
      title: t.entered,
      figure: true,
      cell: (row) => <To href={toTransaction(row.transaction)}>{t.transaction}</To>,
    },
  ];
  return (
    <Page title={t.customers} lead={t.customersLead}>
      <Claims />
      <Card flush title={t.customers}>
        <div className="px-4 pb-4 sm:px-5">
          <Field
            type="search"
            label={t.findCustomer}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
          />
        </div>
        <Answer
          of={asked}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="search" title={t.noCustomers} />}
          lines={6}
        >
          {(rows) => (
            <Table
              caption={t.customers}
              columns={columns}
              rows={rows}
              keyOf={(row) => row.customer}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
