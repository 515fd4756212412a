/** Prepaid: what is left in the meter, buying more, and every token with what became of it. */

import { type FormEvent, useDeferredValue, useState } from "react";

import { useAsked, usePages } from "../../api/asking";
import { api, part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { DebtRow, PrepaidRow, TokenRow } from "../../api/rows";
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
  Facts,
  Field,
  Figure,
  Notice,
  Page,
  Table,
  To,
  type Tone,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { useAskContract } from "../../wallet/useAskContract";
import { Digits } from "./Digits";
import { type Homes, useHomes, WhichHome } from "./homes";
import { LinkHome } from "./LinkHome";
import { newRequest } from "./money";
import { CUSTOMER } from "./texts";

interface Quote {
  readonly energy_mwh: number;
  readonly total_minor: number;
  readonly rest_minor: number;
  readonly lines: readonly { readonly name: string; readonly kind: string; readonly amount_minor: number }[];
}

const PRESETS_MAJOR = [10, 20, 50, 100];

export function Tokens() {
  const t = useTexts(CUSTOMER);
  const homes = useHomes();
  return (
    <Answer of={homes.asked} lines={6} title={t.tokens.title}>
      {() => {
        if (!homes.point) return <LinkHome title={t.tokens.title} />;
        if (!homes.point.prepaid) return <NotPrepaid homes={homes} />;
        return <Prepaid homes={homes} point={homes.point.point} />;
      }}
    </Answer>
  );
}

export function NotPrepaid({ homes }: { homes: Homes }) {
  const t = useTexts(CUSTOMER);
  return (
    <Page title={t.tokens.title}>
      <WhichHome homes={homes} />
      <Card>
        <Empty
          icon="token"
          title={t.tokens.notPrepaid}
          action={
            <ButtonLink look="primary" href="/bills">
              {t.tokens.toBills}
            </ButtonLink>
          }
        />
      </Card>
    </Page>
  );
}

function Prepaid({ homes, point }: { homes: Homes; point: string }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  useLive(`points:${point}`, ["/tokens", "/debts", `/points/${part(point)}`]);
  const told = useAsked<PrepaidRow>(`/points/${part(point)}/prepaid`).data;
  return (
    <Page title={t.title} lead={t.lead}>
      <WhichHome homes={homes} />
      {told?.vending_blocked && <Notice tone="bad" icon="alert" title={t.blocked} />}
      {told?.supply_blocked && <Notice tone="bad" icon="alert" title={t.supplyBlocked} />}
      <Columns of={2}>
        <div className="grid content-start gap-5">
          <Figure
            label={t.left}
            tone={told?.low ? "warn" : "energy"}
            value={told && told.balance_mwh !== null ? format.energy(told.balance_mwh) : "–"}
            note={
              told && (
                <>
                  {told.low && <strong className="block text-warn">{t.low}</strong>}
                  {told.balance_ms > 0 && t.asOf(format.since(Math.min(told.balance_ms, api.now()), api.now()))}
                </>
              )
            }
          />
          {told?.low && <Emergency point={point} />}
        </div>
        <Buy point={point} />
      </Columns>
      <Debts point={point} />
      <Bought point={point} />
    </Page>
  );
}

function Buy({ point }: { point: string }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  const confirm = useConfirm();
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(false);
  const [done, setDone] = useState(false);
  const amount = format.readMoney(typed);
  const valid = amount !== null && amount > 0n && amount <= BigInt(Number.MAX_SAFE_INTEGER);
  const settled = useDeferredValue(valid ? Number(amount) : 0);
  const quote = useAskContract<Quote>("prepaid", "quote", { point, amount_minor: settled }, { when: settled > 0 });
  const major = 10 ** format.ground.digits;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setWrong(!valid);
    if (!valid) return;
    const outcome = await confirm(
      {
        contract: "prepaid",
        function: "reserve",
        arguments: { point, amount_minor: Number(amount), request: newRequest() },
      },
      { beside: quote.data && <Quoted quote={quote.data} /> },
    );
    if (outcome && (outcome.code === "OK" || outcome.code === "")) {
      setTyped("");
      setDone(true);
    }
  };
  return (
    <Card>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Field
          label={t.amount}
          inputMode="decimal"
          unit={format.ground.currency}
          value={typed}
          autoComplete="off"
          error={wrong && !valid ? t.amountWrong : undefined}
          onChange={(event) => {
            setTyped(event.target.value);
            setDone(false);
          }}
        />
        <fieldset className="grid grid-cols-2 gap-2 sm:grid-cols-4">
          <legend className="sr-only">{t.presets}</legend>
          {PRESETS_MAJOR.map((one) => (
            <Button key={one} className="px-2" onClick={() => setTyped(format.moneyPlain(one * major))}>
              {format.money(one * major)}
            </Button>
          ))}
        </fieldset>
        {valid && quote.data && <Quoted quote={quote.data} />}
        {valid && quote.error !== null && (
          <p role="alert" className="text-sm text-bad">
            {quote.error instanceof Error ? quote.error.message : ""}
          </p>
        )}
        {done && <Notice tone="good" icon="check" title={t.bought} />}
        <Button type="submit" look="primary">
          {t.go}
        </Button>
      </form>
    </Card>
  );
}

function Quoted({ quote }: { quote: Quote }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  return (
    <div className="rounded-xl bg-energy-soft p-4">
      <p className="mb-2 text-sm text-ink-soft">{t.quote}</p>
      <Facts
        of={[
          [
            t.forEnergy,
            <strong key="energy" className="text-lg">
              {format.energy(quote.energy_mwh)}
            </strong>,
          ],
          [t.costs, format.money(quote.total_minor)],
          quote.rest_minor > 0 ? [t.rest, format.money(quote.rest_minor)] : null,
        ]}
      />
    </div>
  );
}

function Emergency({ point }: { point: string }) {
  const t = useTexts(CUSTOMER).tokens;
  const confirm = useConfirm();
  const take = () => confirm({ contract: "prepaid", function: "take_emergency", arguments: { point } });
  return (
    <div>
      <Button onClick={() => void take()}>{t.emergency}</Button>
    </div>
  );
}

function Debts({ point }: { point: string }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  const asked = usePages<DebtRow>("/debts", { point });
  const open = (asked.data ?? []).filter((one) => one.amount_minor > one.paid_minor + one.written_off_minor);
  if (open.length === 0) return null;
  const columns: Column<DebtRow>[] = [
    { id: "reason", title: t.reason, cell: (row) => row.reason, main: true },
    {
      id: "owed",
      title: t.owed,
      figure: true,
      cell: (row) => format.money(row.amount_minor - row.paid_minor - row.written_off_minor),
    },
  ];
  return (
    <Card title={t.debts} flush>
      <Table caption={t.debts} columns={columns} rows={open} keyOf={(row) => `${row.owner} ${row.debt}`} />
    </Card>
  );
}

const TONES: Readonly<Record<string, Tone>> = {
  reserved: "info",
  minted: "accent",
  delivered: "accent",
  redeemed: "good",
  burned: "plain",
  refunded: "plain",
};

function Bought({ point }: { point: string }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  const asked = usePages<TokenRow>("/tokens", { point, size: 25 });
  const statuses: Readonly<Record<string, string>> = t.statuses;
  const kinds: Readonly<Record<string, string>> = t.kinds;
  const columns: Column<TokenRow>[] = [
    {
      id: "when",
      title: t.when,
      main: true,
      cell: (row) => <To href={`/ledger/transactions/${row.transaction}`}>{format.time(row.reserved_ms)}</To>,
    },
    { id: "kind", title: "", cell: (row) => kinds[row.kind] ?? row.kind },
    {
      id: "energy",
      title: t.energy,
      figure: true,
      cell: (row) => (row.energy_mwh === null ? "–" : format.energy(row.energy_mwh)),
    },
    {
      id: "paid",
      title: t.paid,
      figure: true,
      cell: (row) => (row.total_minor === null ? "–" : format.money(row.total_minor)),
    },
    {
      id: "status",
      title: t.status,
      cell: (row) => <Badge tone={TONES[row.status] ?? "plain"}>{statuses[row.status] ?? row.status}</Badge>,
    },
    { id: "digits", title: t.digits, cell: (row) => <Digits row={row} /> },
  ];
  return (
    <Card title={t.list} lead={t.listLead} flush>
      <Answer
        of={asked}
        empty={(rows) => rows.length === 0}
        whenEmpty={<Empty icon="token" title={t.emptyTitle} text={t.emptyText} />}
      >
        {(rows) => (
          <Table
            caption={t.list}
            columns={columns}
            rows={rows}
            keyOf={(row) => String(row.credit)}
            onMore={asked.more}
            busy={asked.busy}
          />
        )}
      </Answer>
    </Card>
  );
}
