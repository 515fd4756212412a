/** One point: who lives there, its meter, how much it takes and gives, what changed. */

import { useMemo } from "react";
import { useAsked } from "../../api/asking";
import { api, part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { MeterRow, PointChange, PrepaidRow } from "../../api/rows";
import { Chart } from "../../charts";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, ButtonLink, Card, type Column, Columns, Empty, Facts, Page, Table, To } from "../../ui";
import type { PointShown, Series } from "./answers";
import { MeterName, MeterStatus } from "./Meters";
import { OPERATOR, toCustomer, toFeeder, toTariff } from "./places";
import { useRange } from "./ranges";
import { TEXTS } from "./texts";

export default function Point({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const path = `/points/${part(params.id)}`;
  const asked = useAsked<PointShown>(path);
  useLive(`points:${params.id}`, [path]);
  return (
    <Page
      title={params.id}
      lead={t.point}
      back={{ href: `${OPERATOR}/customers`, label: t.customers }}
      action={
        asked.data?.row.prepaid && (
          <ButtonLink icon="token" href={`${OPERATOR}/vending?point=${part(params.id)}`}>
            {t.vending}
          </ButtonLink>
        )
      }
    >
      <Answer of={asked} lines={8}>
        {(shown) => <Whole shown={shown} path={path} />}
      </Answer>
    </Page>
  );
}

function Whole({ shown, path }: { shown: PointShown; path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { row, meters, changes } = shown;
  return (
    <>
      {shown.reads.includes("readings") && <Consumption path={path} />}
      <Columns>
        <Card title={t.point}>
          <Facts
            of={[
              [
                t.customer,
                row.customer ? (
                  <To key="customer" href={toCustomer(row.customer)}>
                    {row.customer}
                  </To>
                ) : (
                  t.vacant
                ),
              ],
              [t.premises, row.premises || "–"],
              [
                t.feeder,
                row.feeder ? (
                  <To key="feeder" href={toFeeder(row.feeder)}>
                    {row.feeder}
                  </To>
                ) : (
                  "–"
                ),
              ],
              [
                t.tariff,
                row.tariff ? (
                  <To key="tariff" href={toTariff(row.tariff)}>
                    {row.tariff}
                  </To>
                ) : (
                  "–"
                ),
              ],
              [t.kind, row.kind],
              [t.paying, row.prepaid ? t.prepaid : t.postpaid],
              [t.phases, format.number(row.phases)],
              [t.ratingImport, format.power(row.import_rating_w * 1_000)],
              [t.ratingExport, format.power(row.export_rating_w * 1_000)],
            ]}
          />
        </Card>
        {row.prepaid ? <Prepaid path={path} /> : <Changes rows={changes} />}
      </Columns>
      <Meters rows={meters} />
      {row.prepaid && <Changes rows={changes} />}
    </>
  );
}

function Consumption({ path }: { path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { fromMs, untilMs, chooser } = useRange("week", ["day", "week", "month", "year"]);
  const asked = useAsked<Series>(`${path}/series`, { from_ms: fromMs, until_ms: untilMs });
  return (
    <Card title={t.consumption} action={chooser}>
      <Answer
        of={asked}
        empty={(answer) => answer.items.length === 0}
        whenEmpty={<Empty icon="energy" title={t.noReadings} />}
        lines={6}
      >
        {(answer) => <Drawn rows={answer.items} said={t.buckets(format.number(answer.items.length))} />}
      </Answer>
    </Card>
  );
}

function Drawn({ rows, said }: { rows: Series["items"]; said: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { times, series } = useMemo(() => {
    const given = rows.some((row) => row.export_mwh > 0);
    return {
      times: rows.map((row) => row.from_ms),
      series: [
        { label: t.taken, values: rows.map((row) => row.import_mwh), shape: "bars" as const, colour: 1 as const },
        ...(given
          ? [{ label: t.given, values: rows.map((row) => -row.export_mwh), shape: "bars" as const, colour: 2 as const }]
          : []),
      ],
    };
  }, [rows, t]);
  return (
    <Chart
      title={t.consumption}
      summary={said}
      timeTitle={t.time}
      times={times}
      series={series}
      value={format.energy}
    />
  );
}

function Prepaid({ path }: { path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = useAsked<PrepaidRow & { readonly balance_mwh?: number | null }>(`${path}/prepaid`);
  return (
    <Card title={t.prepaid}>
      <Answer of={asked}>
        {(row) => (
          <Facts
            of={[
              row.balance_mwh == null ? null : [t.balance, format.energy(row.balance_mwh)],
              [t.lowSaid, row.low_ms ? format.time(row.low_ms) : t.never],
              [t.redeemed, format.energy(row.redeemed_mwh)],
              [
                t.blocked,
                [
                  row.supply_blocked && t.supplyBlock,
                  row.vending_blocked && t.vendingBlock,
                  row.sharing_blocked && t.sharingBlock,
                ]
                  .filter(Boolean)
                  .join(", ") || t.nothing,
              ],
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function Meters({ rows }: { rows: readonly MeterRow[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const now = api.now();
  const columns: Column<MeterRow>[] = [
    { id: "meter", title: t.meter, main: true, cell: (row) => <MeterName row={row} /> },
    { id: "status", title: t.status, cell: (row) => <MeterStatus row={row} nowMs={now} /> },
    { id: "installed", title: t.installed, figure: true, cell: (row) => format.date(row.installed_ms) },
    { id: "last", title: t.lastReading, figure: true, cell: (row) => (row.last_ms ? format.moment(row.last_ms) : "–") },
    { id: "register", title: t.register, figure: true, cell: (row) => format.energy(row.last_import_mwh) },
  ];
  return (
    <Card title={t.meters} flush>
      {rows.length === 0 ? (
        <Empty title={t.noMeters} />
      ) : (
        <Table caption={t.meters} columns={columns} rows={rows} keyOf={(row) => row.meter} />
      )}
    </Card>
  );
}

function Changes({ rows }: { rows: readonly PointChange[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  return (
    <Card title={t.changes}>
      {rows.length === 0 ? (
        <Empty />
      ) : (
        <ul className="grid gap-2">
          {rows.map((row) => (
            <li key={`${row.from_ms} ${row.what}`} className="flex flex-wrap justify-between gap-x-3">
              <span className="min-w-0">
                <Badge>{row.what}</Badge> {row.value}
              </span>
              <span className="text-ink-soft">{t.since_(format.date(row.from_ms))}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
