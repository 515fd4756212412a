/** What was measured, from a day by quarter hours to years by months; and the readings themselves, as they were signed. */

import { useMemo, useState } from "react";

import { useAsked, usePages } from "../../api/asking";
import { api, part, type Page as Rows } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { BucketRow, ReadingRow } from "../../api/rows";
import { Chart, gapped } from "../../charts";
import { useFormat } from "../../format";
import { dayStart, monthStart, type Zone } from "../../format/zone";
import { useTexts } from "../../i18n";
import { Answer, Button, Card, type Column, Columns, Empty, Figure, Page, Segments, Table, To } from "../../ui";
import { useHomes, WhichHome } from "./homes";
import { LinkHome } from "./LinkHome";
import { CUSTOMER } from "./texts";

const LENGTHS = ["day", "week", "month", "year", "years"] as const;
type Length = (typeof LENGTHS)[number];
type By = "quarter" | "hour" | "day" | "month";

const BY: Record<Length, By> = { day: "quarter", week: "hour", month: "day", year: "month", years: "month" };
const STEP_MS: Record<By, number> = { quarter: 900_000, hour: 3_600_000, day: 90_000_000, month: 2_700_000_000 };
const YEARS = 5;

/** A stretch of local time, `back` of its lengths before the present one. */
export function stretch(zone: Zone, nowMs: number, length: Length, back: number): { fromMs: number; untilMs: number } {
  if (length === "day" || length === "week") {
    const days = length === "day" ? 1 : 7;
    const untilMs = dayStart(zone, nowMs, 1 - back * days);
    return { fromMs: dayStart(zone, nowMs, 1 - (back + 1) * days), untilMs };
  }
  const months = { month: 1, year: 12, years: 12 * YEARS }[length];
  const untilMs = monthStart(zone, nowMs, 1 - back * months);
  return { fromMs: monthStart(zone, nowMs, 1 - (back + 1) * months), untilMs };
}

export function Consumption() {
  const t = useTexts(CUSTOMER);
  const homes = useHomes();
  return (
    <Answer of={homes.asked} lines={6} title={t.consumption.title}>
      {() =>
        homes.point ? <Used homes={homes} point={homes.point.point} /> : <LinkHome title={t.consumption.title} />
      }
    </Answer>
  );
}

function Used({ homes, point }: { homes: ReturnType<typeof useHomes>; point: string }) {
  const t = useTexts(CUSTOMER).consumption;
  const format = useFormat();
  const [length, setLength] = useState<Length>("day");
  const [back, setBack] = useState(0);
  const { fromMs, untilMs } = stretch(format.ground.zone, api.now(), length, back);
  const at = `/points/${part(point)}`;
  useLive(`points:${point}`, [at]);
  const series = useAsked<Rows<BucketRow>>(`${at}/series`, { from_ms: fromMs, until_ms: untilMs, by: BY[length] });
  const rows = series.data?.items ?? [];
  const sums = useMemo(() => sumOf(rows), [rows]);
  return (
    <Page title={t.title} lead={t.lead}>
      <WhichHome homes={homes} />
      <Card>
        <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
          <Segments
            label={t.span}
            value={length}
            options={LENGTHS.map((one) => [one, t.spans[one]] as const)}
            onChange={(next) => {
              setLength(next);
              setBack(0);
            }}
          />
          <div className="flex items-center gap-2">
            <Button onClick={() => setBack(back + 1)}>{t.earlier}</Button>
            <Button onClick={() => setBack(back - 1)} disabled={back === 0}>
              {t.later}
            </Button>
          </div>
        </div>
        <p className="mb-3 font-medium">
          {format.date(fromMs)}
          {untilMs - fromMs > 90_000_000 && ` – ${format.date(untilMs - 1)}`}
        </p>
        <Answer
          of={series}
          empty={(found) => found.items.length === 0}
          whenEmpty={<Empty icon="energy" title={t.empty} />}
        >
          {(found) => <Energy rows={found.items} by={BY[length]} title={t.chart(t.spans[length])} />}
        </Answer>
      </Card>
      <Columns of={3}>
        <Figure label={t.taken} tone="energy" value={format.energy(sums.imported)} note={t.sum} />
        <Figure label={t.given} tone="good" value={format.energy(sums.exported)} note={t.sum} />
        <Figure
          label={t.known}
          value={sums.allMs > 0 ? format.share(Math.round((sums.measuredMs / sums.allMs) * 1_000_000)) : "–"}
          note={t.knownNote}
        />
      </Columns>
      <Readings point={point} fromMs={fromMs} untilMs={untilMs} />
    </Page>
  );
}

function sumOf(rows: readonly BucketRow[]) {
  const sums = { imported: 0, exported: 0, measuredMs: 0, allMs: 0 };
  for (const row of rows) {
    sums.imported += row.import_mwh;
    sums.exported += row.export_mwh;
    sums.measuredMs += row.measured_ms;
    sums.allMs += row.measured_ms + row.gateway_ms + row.estimated_ms;
  }
  return sums;
}

function Energy({ rows, by, title }: { rows: readonly BucketRow[]; by: By; title: string }) {
  const t = useTexts(CUSTOMER).consumption;
  const format = useFormat();
  const sums = sumOf(rows);
  const { times, columns } = gapped(
    rows.map((row) => row.from_ms),
    [rows.map((row) => row.import_mwh), rows.map((row) => -row.export_mwh)],
    STEP_MS[by],
  );
  const [imported = [], exported = []] = columns;
  return (
    <Chart
      title={title}
      summary={t.summary(format.energy(sums.imported), format.energy(sums.exported))}
      times={times}
      series={[
        { label: t.taken, values: imported, shape: "bars", colour: 2 },
        ...(sums.exported > 0
          ? [{ label: t.given, values: exported, shape: "bars" as const, colour: 1 as const }]
          : []),
      ]}
      zero
      height={300}
      timeTitle={t.time}
      value={(value) => format.energy(Math.round(Math.abs(value)))}
    />
  );
}

function Readings({ point, fromMs, untilMs }: { point: string; fromMs: number; untilMs: number }) {
  const t = useTexts(CUSTOMER).consumption;
  const format = useFormat();
  const [open, setOpen] = useState(false);
  const asked = usePages<ReadingRow>(
    `/points/${part(point)}/readings`,
    { from_ms: fromMs, until_ms: untilMs, size: 25 },
    { when: open },
  );
  const columns: Column<ReadingRow>[] = [
    {
      id: "time",
      title: t.time,
      main: true,
      cell: (row) => <To href={`/ledger/transactions/${row.transaction}`}>{format.moment(row.time_ms)}</To>,
    },
    { id: "import", title: t.taken, figure: true, cell: (row) => format.energy(row.import_mwh) },
    { id: "export", title: t.given, figure: true, cell: (row) => format.energy(row.export_mwh) },
    {
      id: "power",
      title: t.power,
      figure: true,
      cell: (row) => (row.power_mw === null ? "–" : format.power(row.power_mw)),
    },
    { id: "state", title: t.state, cell: (row) => row.state },
  ];
  return (
    <Card title={t.readings} lead={t.readingsLead} flush>
      <details className="px-4 pb-4 sm:px-5" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="py-2 text-accent">{t.readings}</summary>
        {open && (
          <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<p>{t.empty}</p>}>
            {(rows) => (
              <Table
                caption={t.readings}
                columns={columns}
                rows={rows}
                keyOf={(row) => `${row.meter} ${row.time_ms}`}
                onMore={asked.more}
                busy={asked.busy}
              />
            )}
          </Answer>
        )}
      </details>
    </Card>
  );
}
