/** What one wants to know at a glance: now, today, the money, what is due. And the way to the one thing to do. */

import type { Balance } from "../../api/answers";
import { useAsked, usePages } from "../../api/asking";
import { api, part, type Page as Rows } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import { useNames } from "../../api/names";
import type { BucketRow, PrepaidRow, ReadingRow } from "../../api/rows";
import { Chart } from "../../charts";
import { useFormat } from "../../format";
import { dayStart } from "../../format/zone";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, ButtonLink, Card, Columns, Figure, Notice, Page, To } from "../../ui";
import { useAskContract } from "../../wallet/useAskContract";
import { useHomes, WhichHome } from "./homes";
import { LinkHome } from "./LinkHome";
import { type BillRow, isOpen } from "./money";
import { CUSTOMER } from "./texts";

/** What the meter said last. */
export interface Now {
  readonly time_ms: number;
  readonly reading: ReadingRow | null;
}

/** `amount_minor` and `energy_mwh` where the kind has them. */
interface NoticeRow {
  readonly kind: string;
  readonly about: string;
  readonly since_ms: number;
  readonly due_ms: number | null;
  readonly amount_minor: number | null;
  readonly energy_mwh: number | null;
}

export function Home() {
  const t = useTexts(CUSTOMER);
  const homes = useHomes();
  return (
    <Answer of={homes.asked} lines={6} title={t.home.title}>
      {() => (homes.point ? <AtHome homes={homes} /> : <LinkHome title={t.home.title} />)}
    </Answer>
  );
}

function AtHome({ homes }: { homes: ReturnType<typeof useHomes> }) {
  const t = useTexts(CUSTOMER);
  const format = useFormat();
  const { identity } = usePerson();
  const point = homes.point?.point ?? "";
  const prepaid = homes.point?.prepaid ?? false;
  const [own] = useNames([]).values();
  const fromMs = dayStart(format.ground.zone, api.now());
  const at = `/points/${part(point)}`;
  useLive(`points:${point}`, [at, "/tokens", "/shares", "/accounts"]);
  useLive("notices", ["/notices", "/bills"]);
  const now = useAsked<Now>(`${at}/now`);
  const day = useAsked<Rows<BucketRow>>(`${at}/series`, {
    from_ms: fromMs,
    until_ms: dayStart(format.ground.zone, fromMs, 1),
    by: "quarter",
  });
  const bills = usePages<BillRow>("/bills", { size: 50 });
  const balance = useAskContract<Balance>("currency", "balance", { account: identity }, { path: "/accounts" });
  const credit = useAsked<PrepaidRow>(`${at}/prepaid`, {}, { when: prepaid });

  const rows = day.data?.items ?? [];
  const imported = rows.reduce((sum, row) => sum + row.import_mwh, 0);
  const exported = rows.reduce((sum, row) => sum + row.export_mwh, 0);
  const open = (bills.data ?? []).filter(isOpen).sort((one, other) => one.due_ms - other.due_ms);
  const [next] = open;
  const reading = now.data?.reading ?? null;
  const power = reading?.power_mw ?? null;
  const action = prepaid ? (
    <ButtonLink look="primary" icon="token" href="/tokens">
      {t.home.buy}
    </ButtonLink>
  ) : next ? (
    <ButtonLink look="primary" icon="bill" href={`/bills/${part(next.invoice)}`}>
      {t.home.pay}
    </ButtonLink>
  ) : (
    <ButtonLink look="primary" icon="energy" href="/consumption">
      {t.home.see}
    </ButtonLink>
  );
  return (
    <Page title={t.home.title} lead={t.home.lead((homes.points.length === 1 && own?.place) || point)} action={action}>
      <WhichHome homes={homes} />
      <Notices />
      <Columns of={4}>
        <Figure
          label={t.home.now}
          tone={power !== null && power < 0 ? "good" : "energy"}
          value={power === null ? "–" : format.power(Math.abs(power))}
          note={
            reading &&
            `${power !== null ? `${power < 0 ? t.home.giving : t.home.taking}, ` : ""}${t.home.at(format.clock(reading.time_ms))}`
          }
        />
        <Figure
          label={t.home.today}
          value={day.data ? format.energy(imported) : "–"}
          note={exported > 0 ? t.home.todayNote(format.energy(exported)) : undefined}
        />
        <Figure
          label={t.home.money}
          value={balance.data ? format.money(balance.data.available_minor) : "–"}
          note={
            balance.data && balance.data.escrow_minor > 0
              ? t.home.escrow(format.money(balance.data.escrow_minor))
              : undefined
          }
        />
        {prepaid ? (
          <Figure
            label={t.home.credit}
            tone={credit.data?.low ? "warn" : "plain"}
            value={credit.data && credit.data.balance_mwh !== null ? format.energy(credit.data.balance_mwh) : "–"}
            note={
              credit.data && credit.data.balance_ms > 0
                ? t.home.creditNote(format.since(Math.min(credit.data.balance_ms, api.now()), api.now()))
                : undefined
            }
          />
        ) : (
          <Figure
            label={t.home.bill}
            tone={next?.status === "overdue" ? "bad" : "plain"}
            value={next ? format.money(next.open_minor) : bills.data ? t.home.billNone : "–"}
            note={next ? t.home.billDue(format.date(next.due_ms)) : undefined}
          />
        )}
      </Columns>
      <Card title={t.home.dayChart}>
        <Answer of={day} empty={(found) => found.items.length === 0} whenEmpty={<p>{t.consumption.empty}</p>}>
          {({ items }) => (
            <Chart
              title={t.home.dayChart}
              summary={t.home.dayChartSummary(format.energy(imported), format.energy(exported))}
              times={items.map((row) => row.from_ms)}
              series={[
                { label: t.consumption.taken, values: items.map((row) => row.import_mwh), shape: "bars", colour: 2 },
                ...(exported > 0
                  ? [
                      {
                        label: t.consumption.given,
                        values: items.map((row) => -row.export_mwh),
                        shape: "bars" as const,
                        colour: 1 as const,
                      },
                    ]
                  : []),
              ]}
              zero
              timeTitle={t.consumption.time}
              value={(value) => format.energy(Math.round(Math.abs(value)))}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}

/** Whoever has not done it must hear of it: a lost phrase is cured by the utility, and so might be one that is not lost. */
function KeyChanged({ sinceMs }: { sinceMs: number }) {
  const t = useTexts(CUSTOMER).notices;
  const format = useFormat();
  return (
    <Notice tone="warn" icon="wallet" title={t.keyChanged(format.time(sinceMs))}>
      {t.keyChangedText} <To href="/wallet">{t.keyChangedGo}</To>
    </Notice>
  );
}

function Notices() {
  const t = useTexts(CUSTOMER);
  const format = useFormat();
  const asked = useAsked<{ readonly items: readonly NoticeRow[] }>("/notices");
  return (asked.data?.items ?? []).map((one) => {
    if (one.kind === "key_changed") return <KeyChanged key={one.kind} sinceMs={one.since_ms} />;
    const bill = one.kind === "bill_due" || one.kind === "bill_overdue";
    const [title, href, go] = bill
      ? [t.notices.due(one.about, format.money(one.amount_minor ?? 0)), `/bills/${part(one.about)}`, t.home.pay]
      : one.kind === "low_credit"
        ? [t.notices.low(format.energy(one.energy_mwh ?? 0)), "/tokens", t.home.buy]
        : one.kind === "supply_off"
          ? [t.tokens.supplyBlocked, "/tokens", t.home.buy]
          : [t.notices.other, "/wallet", t.home.notices];
    return (
      <Notice
        key={`${one.kind} ${one.about}`}
        tone={one.kind === "bill_due" ? "info" : "warn"}
        icon={bill ? "bill" : "token"}
        title={title}
      >
        <To href={href}>{go}</To>
      </Notice>
    );
  });
}
