/** One feeder and its transformer: how it fares now, what alarms, its energy over time, voltages, temperature, flow. */

import { useMemo, useState } from "react";
import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { AlertEvent, AlertRow, IntervalRow, SampleRow } from "../../api/rows";
import { Chart, gapped, Sankey, type Series } from "../../charts";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Button, Card, type Column, Columns, Empty, Facts, Figure, Page, Table, To } from "../../ui";
import { useAlert } from "./alerts";
import type { FeederShown, FlowShown, Items } from "./answers";
import { OPERATOR } from "./places";
import { useRange } from "./ranges";
import { TEXTS } from "./texts";

export default function Feeder({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const path = `/feeders/${part(params.id)}`;
  const asked = useAsked<FeederShown>(path);
  useLive(`feeder:${params.id}`, [path, "/alerts"]);
  return (
    <Page
      title={params.id}
      lead={asked.data && `${t.transformer} ${asked.data.transformer}`}
      back={{ href: OPERATOR, label: t.feeders }}
    >
      <Answer of={asked} lines={8}>
        {(shown) => <Whole shown={shown} path={path} />}
      </Answer>
    </Page>
  );
}

function Whole({ shown, path }: { shown: FeederShown; path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { at: transformer, interval, sample, houses } = shown;
  const { fromMs, untilMs, chooser } = useRange();
  const times = { from_ms: fromMs, until_ms: untilMs };
  const intervals = useAsked<Items<IntervalRow>>(`${path}/intervals`, times);
  const samples = useAsked<Items<SampleRow>>(`${path}/samples`, times);
  const loading = interval?.loading_micro ?? null;
  const loss = interval?.loss_mwh ?? null;
  return (
    <>
      <Columns of={4}>
        <Figure
          label={t.loading}
          value={loading === null ? "–" : format.share(loading)}
          note={format.apparent(shown.rating_va)}
          tone={
            loading !== null && loading > 1_000_000 ? "bad" : loading !== null && loading > 800_000 ? "warn" : "plain"
          }
        />
        <Figure
          label={t.power}
          value={sample ? format.power(sample.power_mw) : "–"}
          note={sample ? format.moment(sample.time_ms) : t.noSample}
          tone="energy"
        />
        <Figure
          label={t.loss}
          value={loss === null ? "–" : format.energy(loss)}
          note={interval ? format.time(interval.interval_ms) : t.notWatched}
        />
        <Figure
          label={t.temperature}
          value={sample?.temperature_milli == null ? "–" : format.temperature(sample.temperature_milli)}
          note={t.houses(format.number(houses))}
        />
      </Columns>
      <OpenAlerts feeder={shown.feeder} />
      <div className="flex justify-end">{chooser}</div>
      <Answer of={intervals} empty={(answer) => answer.items.length === 0} whenEmpty={<NoReports />} lines={8}>
        {(answer) => <Energy rows={answer.items} path={path} />}
      </Answer>
      <Answer of={samples} empty={(answer) => answer.items.length === 0} whenEmpty={<NoSamples />} lines={8}>
        {(answer) => <Samples rows={answer.items} low={transformer?.low_mv ?? 0} />}
      </Answer>
      <Columns>
        <Card title={t.transformer}>
          <Facts
            of={[
              [t.transformer, shown.transformer],
              [t.rating, format.apparent(shown.rating_va)],
              transformer
                ? [t.nominal, `${format.voltage(transformer.high_mv)} / ${format.voltage(transformer.low_mv)}`]
                : null,
              [t.operatedBy, shown.operator],
              [t.area, shown.area || "–"],
              [t.phases, format.number(shown.phases)],
              [t.limitForward, shown.limit_w ? format.power(shown.limit_w * 1_000) : t.noLimit],
              [t.limitReverse, shown.reverse_limit_w ? format.power(shown.reverse_limit_w * 1_000) : t.noLimit],
              [
                t.meters,
                <To key="meters" href={`${OPERATOR}/meters?feeder=${part(shown.feeder)}`}>
                  {t.metersHere}
                </To>,
              ],
            ]}
          />
        </Card>
        <AlertLog feeder={shown.feeder} />
      </Columns>
    </>
  );
}

function NoReports() {
  const t = useTexts(TEXTS);
  return (
    <Card title={t.energy}>
      <Empty icon="energy" title={t.noReports} text={t.noReportsText} />
    </Card>
  );
}

function NoSamples() {
  const t = useTexts(TEXTS);
  return (
    <Card title={t.voltages}>
      <Empty icon="time" title={t.noSamples} text={t.noSamplesText} />
    </Card>
  );
}

function OpenAlerts({ feeder }: { feeder: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { kindOf, amountOf } = useAlert();
  const asked = usePages<AlertRow>("/alerts", { feeder });
  if (!asked.data?.length) return null;
  return (
    <Card title={t.alerts}>
      <ul className="grid gap-2">
        {asked.data.map((alert) => (
          <li key={alert.kind} className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Badge tone="bad">{kindOf(alert.kind)}</Badge>
            <span>{t.above(amountOf(alert.kind, alert.value), amountOf(alert.kind, alert.limit))}</span>
            <span className="text-sm text-ink-soft">{format.time(alert.opened_ms)}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function stepOf(times: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let at = 1; at < times.length; at++) least = Math.min(least, (times[at] ?? 0) - (times[at - 1] ?? 0));
  return Number.isFinite(least) ? least : 0;
}

function useColumns<Row>(
  rows: readonly Row[],
  time: (row: Row) => number,
  lines: readonly (readonly [string, (row: Row) => number | null, Partial<Series>?])[],
): { times: number[]; series: Series[] } {
  return useMemo(() => {
    const known = rows.map(time);
    const { times, columns } = gapped(
      known,
      lines.map(([, of]) => rows.map(of)),
      stepOf(known),
    );
    return { times, series: lines.map(([label, , more], at) => ({ label, values: columns[at] ?? [], ...more })) };
  }, [rows, time, lines]);
}

const intervalTime = (row: IntervalRow) => row.interval_ms;
const sampleTime = (row: SampleRow) => row.time_ms;

function Energy({ rows, path }: { rows: readonly IntervalRow[]; path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const energy = useColumns(
    rows,
    intervalTime,
    useMemo(
      () =>
        [
          [t.consumption, (row: IntervalRow) => row.consumption_mwh, { shape: "area", colour: 1 }],
          [t.generation, (row: IntervalRow) => row.generation_mwh, { shape: "area", colour: 2 }],
          [t.supply, (row: IntervalRow) => row.supply_mwh, { shape: "line", colour: 3 }],
        ] as const,
      [t],
    ),
  );
  const loss = useColumns(
    rows,
    intervalTime,
    useMemo(
      () =>
        [
          [t.technical, (row: IntervalRow) => row.technical_mwh, { shape: "steps", colour: 5 }],
          [t.nonTechnical, (row: IntervalRow) => row.non_technical_mwh, { shape: "steps", colour: 4 }],
        ] as const,
      [t],
    ),
  );
  const loading = useColumns(
    rows,
    intervalTime,
    useMemo(
      () =>
        [
          [t.loading, (row: IntervalRow) => row.loading_micro, { shape: "area", colour: 1 }],
          [t.loadFactor, (row: IntervalRow) => row.load_factor_micro, { shape: "line", colour: 6 }],
        ] as const,
      [t],
    ),
  );
  const last = rows.at(-1);
  const said = last?.supply_mwh == null ? t.supplyUnknown : t.lastSupply(format.energy(last.supply_mwh));
  return (
    <>
      <Flow rows={rows} path={path} />
      <Card title={t.energy} lead={t.perInterval}>
        <Chart title={t.energy} summary={said} timeTitle={t.time} {...energy} value={format.energy} />
      </Card>
      <Columns>
        <Card title={t.loading}>
          <Chart
            title={t.loading}
            summary={last?.loading_micro == null ? t.loadingUnknown : t.loaded(format.share(last.loading_micro))}
            timeTitle={t.time}
            {...loading}
            value={(micro) => format.share(Math.round(micro), 0)}
            limit={FULL(t.full)}
          />
        </Card>
        <Card title={t.loss} lead={t.lossLead}>
          <Chart title={t.loss} summary={said} timeTitle={t.time} {...loss} value={format.energy} />
        </Card>
      </Columns>
    </>
  );
}

const made = new Map<string, { value: number; label: string }>();

/** The same object for the same words: a chart is drawn anew when it changes. */
function FULL(label: string): { value: number; label: string } {
  const found = made.get(label) ?? { value: 1_000_000, label };
  made.set(label, found);
  return found;
}

/** Interval by interval, the last one first. */
function Flow({ rows, path }: { rows: readonly IntervalRow[]; path: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const [place, setPlace] = useState<number | null>(null);
  const at = Math.min(place ?? rows.length - 1, rows.length - 1);
  const interval = rows[at]?.interval_ms;
  const asked = useAsked<FlowShown>(`${path}/flow`, { interval_ms: interval }, { when: interval !== undefined });
  const nodes = [
    { id: "generation", label: t.generation, column: 0, colour: 2 },
    { id: "storage", label: t.storage, column: 0, colour: 5 },
    { id: "supply", label: t.grid, column: 0, colour: 3 },
    { id: "own_use", label: t.ownUse, column: 1, colour: 2 },
    { id: "pool", label: t.pool, column: 1, colour: 6 },
    { id: "consumption", label: t.consumption, column: 2, colour: 1 },
    { id: "upstream", label: t.toGrid, column: 2, colour: 3 },
    { id: "loss", label: t.loss, column: 2, colour: 4 },
  ] as const;
  const words = { from: t.from, to: t.to, energy: t.energy };
  const shown = new Set<string>(nodes.map((node) => node.id));
  const links = (flow: FlowShown) =>
    flow.links
      .filter((link) => shown.has(link.target))
      .map((link) => ({ from: link.source, to: link.target, value: link.energy_mwh }));
  return (
    <Card
      title={t.flow}
      lead={interval !== undefined && format.time(interval)}
      action={
        <div className="flex gap-2">
          <Button onClick={() => setPlace(Math.max(0, at - 1))} disabled={at <= 0}>
            {t.earlier}
          </Button>
          <Button onClick={() => setPlace(at + 1)} disabled={at >= rows.length - 1}>
            {t.later}
          </Button>
        </div>
      }
    >
      <Answer
        of={asked}
        empty={(flow) => flow.links.length === 0}
        whenEmpty={<Empty icon="energy" title={t.flowUnknown} text={t.flowUnknownText} />}
      >
        {(flow) => <Sankey title={t.flow} nodes={nodes} links={links(flow)} words={words} />}
      </Answer>
    </Card>
  );
}

function Samples({ rows, low }: { rows: readonly SampleRow[]; low: number }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const phases = rows[0]?.phases ?? 1;
  const voltages = useColumns(
    rows,
    sampleTime,
    useMemo(() => {
      const of = [
        (row: SampleRow) => row.voltage_mv_1,
        (row: SampleRow) => row.voltage_mv_2,
        (row: SampleRow) => row.voltage_mv_3,
      ];
      return of.slice(0, phases).map((read, at) => [t.phase(format.number(at + 1)), read] as const);
    }, [t, phases, format]),
  );
  const power = useColumns(
    rows,
    sampleTime,
    useMemo(() => [[t.power, (row: SampleRow) => row.power_mw, { shape: "area", colour: 2 }]] as const, [t]),
  );
  const temperature = useColumns(
    rows,
    sampleTime,
    useMemo(() => [[t.temperature, (row: SampleRow) => row.temperature_milli, { colour: 4 }]] as const, [t]),
  );
  const last = rows.at(-1);
  const hot = rows.some((row) => row.temperature_milli !== null);
  return (
    <>
      <Card title={t.power}>
        <Chart
          title={t.power}
          summary={last ? format.power(last.power_mw) : ""}
          timeTitle={t.time}
          {...power}
          value={(value) => format.power(Math.round(value))}
        />
      </Card>
      <Columns>
        <Card title={t.voltages} lead={low > 0 && t.nominalOf(format.voltage(low))}>
          <Chart
            title={t.voltages}
            summary={last?.voltage_mv_1 == null ? "" : format.voltage(last.voltage_mv_1)}
            timeTitle={t.time}
            {...voltages}
            zero={false}
            value={(value) => format.voltage(Math.round(value))}
          />
        </Card>
        {hot && (
          <Card title={t.temperature}>
            <Chart
              title={t.temperature}
              summary={last?.temperature_milli == null ? "" : format.temperature(last.temperature_milli)}
              timeTitle={t.time}
              {...temperature}
              zero={false}
              value={(value) => format.temperature(Math.round(value))}
            />
          </Card>
        )}
      </Columns>
    </>
  );
}

function AlertLog({ feeder }: { feeder: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { kindOf, amountOf } = useAlert();
  const asked = usePages<AlertEvent>(`/feeders/${part(feeder)}/alerts`, { size: 20 });
  const columns: Column<AlertEvent>[] = [
    {
      id: "kind",
      title: t.alert,
      main: true,
      cell: (row) => <Badge tone={row.open ? "bad" : "good"}>{kindOf(row.kind)}</Badge>,
    },
    { id: "what", title: t.status, cell: (row) => (row.open ? t.opened : t.cleared) },
    { id: "value", title: t.measured, figure: true, cell: (row) => amountOf(row.kind, row.value) },
    { id: "time", title: t.time, figure: true, cell: (row) => format.time(row.time_ms) },
  ];
  return (
    <Card title={t.alertLog} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="check" title={t.noAlerts} />}>
        {(rows) => (
          <Table
            caption={t.alertLog}
            columns={columns}
            rows={rows}
            keyOf={(row) => `${row.height}.${row.position} ${row.kind}`}
            onMore={asked.more}
          />
        )}
      </Answer>
    </Card>
  );
}
