/** What one wants to know at a glance: now, today, the money, what is due. And the way to the one thing to do. */

import { Chart } from "../../charts";
import { useAsked, usePages } from "../../api/asking";
import { api, type Page as Rows, part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { Balance } from "../../api/answers";
import type { BucketRow, InvoiceRow } from "../../api/rows";
import { useFormat } from "../../format";
import { dayStart } from "../../format/zone";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, ButtonLink, Card, Columns, Figure, Notice, Page, To } from "../../ui";
import { useAskContract } from "../../wallet/useAskContract";
import { useHomes, WhichHome } from "./home";
import { LinkHome } from "./LinkHome";
import { isOpen, leftOf } from "./money";
import type { PrepaidAccount } from "./Tokens";
import { CUSTOMER } from "./texts";

/** The last that is known: power, and of when. */
export interface Now {
  readonly point: string;
  readonly time_ms: number;
  readonly power_mw: number | null;
}

interface NoticeRow {
  readonly kind: string;
  readonly about: string;
  readonly amount: number;
}

export function Home() {
  const t = useTexts(CUSTOMER);
  const homes = useHomes();
  return (
    <Answer of={homes.asked} lines={6}>
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
  const bills = usePages<InvoiceRow>("/bills", { size: 50 });
  const balance = useAskContract<Balance>("currency", "balance", { account: identity }, { path: "/accounts" });
  const account = useAskContract<PrepaidAccount>("prepaid", "account", { point }, { when: prepaid, path: at });

  const rows = day.data?.items ?? [];
  const imported = rows.reduce((sum, row) => sum + row.import_mwh, 0);
  const exported = rows.reduce((sum, row) => sum + row.export_mwh, 0);
  const open = (bills.data ?? []).filter(isOpen).sort((one, other) => one.due_ms - other.due_ms);
  const [next] = open;
  const power = now.data?.power_mw ?? null;
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
    <Page title={t.home.title} lead={t.home.lead(point)} action={action}>
      <WhichHome homes={homes} />
      <Notices />
      <Columns of={4}>
        <Figure
          label={t.home.now}
          tone={power !== null && power < 0 ? "good" : "energy"}
          value={power === null ? "–" : format.power(Math.abs(power))}
          note={
            now.data &&
            `${power !== null ? `${power < 0 ? t.home.giving : t.home.taking}, ` : ""}${t.home.at(format.clock(now.data.time_ms))}`
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
          note={balance.data && balance.data.escrow_minor > 0 ? t.home.escrow(format.money(balance.data.escrow_minor)) : undefined}
        />
        {prepaid ? (
          <Figure
            label={t.home.credit}
            tone={account.data?.account.low ? "warn" : "plain"}
            value={account.data ? format.energy(account.data.account.balance_mwh) : "–"}
            note={
              account.data && account.data.account.reported_ms > 0
                ? t.home.creditNote(format.since(account.data.account.reported_ms, api.now()))
                : undefined
            }
          />
        ) : (
          <Figure
            label={t.home.bill}
            tone={next?.overdue ? "bad" : "plain"}
            value={next ? format.money(leftOf(next)) : bills.data ? t.home.billNone : "–"}
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

function Notices() {
  const t = useTexts(CUSTOMER);
  const format = useFormat();
  const asked = useAsked<{ readonly items: readonly NoticeRow[] }>("/notices");
  return (asked.data?.items ?? []).map((one) => {
    const low = one.kind === "low_credit";
    const due = one.kind === "bill_due" || one.kind === "bill_overdue";
    const title = low
      ? t.notices.low(format.energy(one.amount))
      : due
        ? t.notices.due(one.about, format.money(one.amount))
        : t.notices.other;
    return (
      <Notice key={`${one.kind} ${one.about}`} tone="warn" icon={due ? "bill" : "token"} title={title}>
        <To href={low ? "/tokens" : due ? `/bills/${part(one.about)}` : "/wallet"}>{low ? t.home.buy : t.home.notices}</To>
      </Notice>
    );
  });
}
