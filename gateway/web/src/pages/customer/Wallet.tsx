/** The wallet: money, what was signed, keys, who may read. */

import { type FormEvent, useEffect, useState } from "react";

import type { Balance } from "../../api/answers";
import { useAsked } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import { useLedger } from "../../app/LedgerProvider";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { useSession } from "../../session/SessionProvider";
import {
  Answer,
  Badge,
  Button,
  Card,
  type Column,
  Columns,
  Empty,
  Field,
  Figure,
  Hash,
  Notice,
  Page,
  Table,
  Tabs,
  To,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { Said } from "../../wallet/ConfirmSheet";
import { type Signed, signedBy } from "../../wallet/history";
import { readingOf } from "../../wallet/reading";
import { outcomeSince } from "../../wallet/signing";
import { WALLET } from "../../wallet/texts";
import { useAskContract } from "../../wallet/useAskContract";
import { CUSTOMER } from "./texts";
import { Consents } from "./wallet/Consents";
import { Keys } from "./wallet/Keys";

export function Wallet() {
  const t = useTexts(CUSTOMER);
  const { account, person } = useSession();
  const customer = person?.role === "customer";
  const money = account ? <Money identity={account.identity} /> : <Notice tone="warn" title={t.noKey} />;
  return (
    <Page title={t.wallet.title} lead={t.wallet.lead}>
      <Tabs
        label={t.wallet.title}
        tabs={[
          { id: "money", title: t.wallet.tabs.money, content: money },
          {
            id: "signed",
            title: t.wallet.tabs.signed,
            content: account ? <History identity={account.identity} /> : money,
          },
          { id: "keys", title: t.wallet.tabs.keys, content: <Keys /> },
          ...(customer ? [{ id: "consents", title: t.wallet.tabs.consents, content: <Consents /> }] : []),
        ]}
      />
    </Page>
  );
}

/** `currency.statement` */
interface Statement {
  readonly entries: readonly {
    readonly number: number;
    readonly kind: string;
    readonly amount_minor: number;
    readonly other: string;
    readonly purpose: string;
    readonly available_minor: number;
    readonly time_ms: number;
    readonly transaction_id: string;
  }[];
}

function Money({ identity }: { identity: string }) {
  const t = useTexts(CUSTOMER).wallet;
  const format = useFormat();
  useLive("notices", ["/accounts"]);
  // postings tell when to ask anew; the balance itself is the contract's, with what contracts have distributed
  useAsked(`/accounts/${identity}`);
  const balance = useAskContract<Balance>("currency", "balance", { account: identity }, { path: "/accounts" });
  const asking = { account: identity, size: 50 };
  const statement = useAskContract<Statement>("currency", "statement", asking, { path: "/accounts" });
  type Entry = Statement["entries"][number];
  const columns: Column<Entry>[] = [
    {
      id: "when",
      title: t.when,
      main: true,
      cell: (row) => <To href={`/ledger/transactions/${row.transaction_id}`}>{format.time(row.time_ms)}</To>,
    },
    { id: "what", title: t.what, cell: (row) => row.purpose || row.kind },
    { id: "other", title: t.other, cell: (row) => (row.other ? <Hash value={row.other} /> : "–") },
    { id: "change", title: t.change, figure: true, cell: (row) => format.moved(row.amount_minor) },
    { id: "balance", title: t.balance, figure: true, cell: (row) => format.money(row.available_minor) },
  ];
  return (
    <>
      <Columns of={2}>
        <Figure label={t.available} value={balance.data ? format.money(balance.data.available_minor) : "–"} />
        <Figure
          label={t.escrow}
          value={balance.data ? format.money(balance.data.escrow_minor) : "–"}
          note={t.escrowNote}
        />
      </Columns>
      <Columns of={2}>
        <Send />
        <Card title={t.own} lead={t.ownHint}>
          <Hash value={identity} length={16} />
        </Card>
      </Columns>
      <Card title={t.movements} flush>
        <Answer
          of={statement}
          empty={({ entries }) => entries.length === 0}
          whenEmpty={<Empty icon="wallet" title={t.movementsEmpty} />}
        >
          {({ entries }) => (
            <Table caption={t.movements} columns={columns} rows={entries} keyOf={(row) => String(row.number)} />
          )}
        </Answer>
      </Card>
    </>
  );
}

function Send() {
  const t = useTexts(CUSTOMER).wallet;
  const format = useFormat();
  const confirm = useConfirm();
  const [to, setTo] = useState("");
  const [typed, setTyped] = useState("");
  const [purpose, setPurpose] = useState("");
  const [looked, setLooked] = useState(false);
  const [done, setDone] = useState(false);
  const amount = format.readMoney(typed);
  const toRight = /^[0-9a-f]{64}$/.test(to.trim());
  const amountRight = amount !== null && amount > 0n;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    if (!toRight || !amountRight) return;
    const outcome = await confirm({
      contract: "currency",
      function: "transfer",
      arguments: { to: to.trim(), amount_minor: Number(amount), purpose: purpose.trim() },
    });
    if (outcome && (outcome.code === "OK" || outcome.code === "")) {
      setTo("");
      setTyped("");
      setPurpose("");
      setLooked(false);
      setDone(true);
    }
  };
  return (
    <Card title={t.send}>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Field
          label={t.to}
          hint={t.toHint}
          error={looked && !toRight ? t.toWrong : undefined}
          value={to}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          onChange={(event) => {
            setTo(event.target.value);
            setDone(false);
          }}
        />
        <Field
          label={t.amount}
          unit={format.ground.currency}
          inputMode="decimal"
          error={looked && !amountRight ? t.amountWrong : undefined}
          value={typed}
          autoComplete="off"
          onChange={(event) => setTyped(event.target.value)}
        />
        <Field
          label={t.purpose}
          value={purpose}
          maxLength={100}
          autoComplete="off"
          onChange={(event) => setPurpose(event.target.value)}
        />
        {done && <Notice tone="good" icon="check" title={t.sent} />}
        <Button type="submit" look="primary">
          {t.go}
        </Button>
      </form>
    </Card>
  );
}

function History({ identity }: { identity: string }) {
  const t = useTexts(CUSTOMER).wallet;
  const [signed, setSigned] = useState<readonly Signed[] | null>(null);
  useEffect(() => {
    let here = true;
    const read = async () => {
      const all = await signedBy(identity);
      if (here) setSigned(all);
      return all;
    };
    void read().then(async (all) => {
      const open = all.filter((one) => one.code === null).slice(0, 10);
      await Promise.allSettled(open.map(outcomeSince));
      if (open.length && here) await read();
    });
    return () => {
      here = false;
    };
  }, [identity]);
  if (signed === null) return null;
  return (
    <Card title={t.history} lead={t.historyLead}>
      {signed.length === 0 ? (
        <Empty icon="shield" title={t.historyEmpty} />
      ) : (
        <ul className="grid gap-2">
          {signed.map((one) => (
            <li key={one.id}>
              <Once signed={one} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Once({ signed }: { signed: Signed }) {
  const t = useTexts(CUSTOMER).wallet;
  const titles = useTexts(WALLET).titles;
  const format = useFormat();
  const ledger = useLedger();
  const reading = readingOf(signed.body, {
    chainId: ledger.chain_id,
    identity: signed.identity,
    nowMs: signed.signedMs,
    currencyDigits: ledger.ground?.digits ?? 2,
  });
  const outcome =
    signed.code === null ? (
      <Badge tone="info">{t.waits}</Badge>
    ) : signed.code === "OK" ? (
      <Badge tone="good">{t.ok}</Badge>
    ) : (
      <Badge tone="bad">{signed.code}</Badge>
    );
  return (
    <details className="rounded-lg border border-line">
      <summary className="flex min-h-11 flex-wrap items-center justify-between gap-x-4 gap-y-1 px-3 py-2">
        <span>
          <span className="font-medium">{titles[reading.call ?? "unknown"]}</span>{" "}
          <span className="text-sm text-ink-soft">{format.time(signed.signedMs)}</span>
        </span>
        {outcome}
      </summary>
      <div className="grid gap-3 border-t border-line p-3">
        <Said reading={reading} />
        {signed.message && <p className="text-sm text-bad">{signed.message}</p>}
        <Hash value={signed.id} href={`/ledger/transactions/${signed.id}`} length={16} />
      </div>
    </details>
  );
}
