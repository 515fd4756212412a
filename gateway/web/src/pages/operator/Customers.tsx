/** A utility's customers, and wallets that claim to be one of them. */

import { useEffect, useState } from "react";
import { useAsked, usePages } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { ClaimRow, CustomerRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson, useSession } from "../../session/SessionProvider";
import { Answer, Card, type Column, Empty, Field, Hash, Page, Table, To } from "../../ui";
import { Act } from "../Act";
import { toTransaction } from "../ledger/places";
import type { Items } from "./answers";
import { ClaimCode } from "./ClaimCode";
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
  const columns: Column<CustomerRow>[] = [
    {
      id: "customer",
      title: t.customer,
      main: true,
      cell: (row) => <To href={toCustomer(row.customer)}>{row.customer}</To>,
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

/** Somebody signed up with a code from the bill: staff compare it and decide. */
function Claims() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const asked = useAsked<Items<ClaimRow>>("/claims");
  useLive("blocks", ["/claims"]);
  const { account } = useSession();
  const decides = isStaff(person.role);
  if (asked.data?.items.length === 0) return null;
  return (
    <Card title={t.claims} lead={t.claimsLead}>
      <Answer of={asked}>
        {(answer) => (
          <ul className="grid gap-4">
            {answer.items.map((row) => (
              <li
                key={`${row.premises} ${row.wallet}`}
                className="flex flex-wrap items-center justify-between gap-3 border-line not-first:border-t not-first:pt-4"
              >
                <div className="min-w-0">
                  <p className="font-medium">{row.premises}</p>
                  <p className="text-sm text-ink-soft">
                    <Hash value={row.wallet} /> · {format.time(row.claimed_ms)}
                  </p>
                </div>
                {decides && account && <ClaimCode premises={row.premises} wallet={row.wallet} />}
                {decides && (
                  <div className="flex gap-2">
                    <Act
                      call={{
                        contract: "registry",
                        function: "approve_claim",
                        arguments: { premises: row.premises, wallet: row.wallet },
                      }}
                    >
                      {t.approve}
                    </Act>
                    <Act
                      look="plain"
                      call={{
                        contract: "registry",
                        function: "refuse_claim",
                        arguments: { premises: row.premises, wallet: row.wallet },
                      }}
                    >
                      {t.refuse}
                    </Act>
                  </div>
                )}
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Card>
  );
}
