/** All bills, and what is open of them. */

import { usePages } from "../../api/asking";
import { part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { CustomerRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import {
  Answer,
  Badge,
  Button,
  ButtonLink,
  Card,
  type Column,
  Columns,
  Empty,
  Figure,
  Page,
  Table,
  To,
  type Tone,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { useAskContract } from "../../wallet/useAskContract";
import { type BillRow, isOpen } from "./money";
import { CUSTOMER } from "./texts";

const TONES: Readonly<Record<string, Tone>> = {
  paid: "good",
  open: "info",
  partly: "info",
  overdue: "bad",
  disputed: "warn",
};

export function BillState({ status }: { status: string }) {
  const states: Readonly<Record<string, string>> = useTexts(CUSTOMER).bills.states;
  return <Badge tone={TONES[status] ?? "plain"}>{states[status] ?? status}</Badge>;
}

interface CustomerLedger {
  readonly credit_minor: number;
}

export function Bills() {
  const t = useTexts(CUSTOMER).bills;
  const format = useFormat();
  const confirm = useConfirm();
  useLive("notices", ["/bills"]);
  const asked = usePages<BillRow>("/bills", { size: 50 });
  const customers = usePages<CustomerRow>("/customers");
  const customer = customers.data?.[0]?.customer ?? "";
  const ledger = useAskContract<CustomerLedger>(
    "billing",
    "ledger",
    { customer },
    { when: customer !== "", path: "/bills" },
  );
  const open = (asked.data ?? []).filter(isOpen).sort((one, other) => one.due_ms - other.due_ms);
  const [next] = open;
  const credit = ledger.data?.credit_minor ?? 0;
  const columns: Column<BillRow>[] = [
    {
      id: "bill",
      title: t.bill,
      main: true,
      cell: (row) => <To href={`/bills/${part(row.invoice)}`}>{row.invoice}</To>,
    },
    { id: "issued", title: t.issued, cell: (row) => format.date(row.issued_ms) },
    { id: "due", title: t.dueOn, cell: (row) => (row.due_ms > 0 ? format.date(row.due_ms) : "–") },
    { id: "total", title: t.total, figure: true, cell: (row) => format.money(row.total_minor) },
    {
      id: "state",
      title: t.state,
      cell: (row) => <BillState status={row.status} />,
    },
  ];
  const action = next && (
    <ButtonLink look="primary" icon="bill" href={`/bills/${part(next.invoice)}`}>
      {t.pay(format.money(next.open_minor))}
    </ButtonLink>
  );
  return (
    <Page title={t.title} lead={t.lead} action={action}>
      <Columns of={3}>
        <Figure
          label={t.open}
          value={asked.data ? format.money(open.reduce((sum, one) => sum + one.open_minor, 0)) : "–"}
          note={asked.data && t.openCount(format.number(open.length))}
        />
        <Figure
          label={t.due}
          tone={next?.status === "overdue" ? "bad" : "plain"}
          value={next ? format.date(next.due_ms) : "–"}
          note={next?.invoice}
        />
        <Figure
          label={t.credit}
          value={ledger.data ? format.money(credit) : "–"}
          note={
            credit > 0 && (
              <Button
                look="plain"
                onClick={() => void confirm({ contract: "billing", function: "withdraw_balance", arguments: {} })}
              >
                {t.payOut}
              </Button>
            )
          }
        />
      </Columns>
      <Card flush>
        <Answer
          of={asked}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="bill" title={t.emptyTitle} text={t.emptyText} />}
        >
          {(rows) => (
            <Table
              caption={t.title}
              columns={columns}
              rows={rows}
              keyOf={(row) => row.invoice}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
