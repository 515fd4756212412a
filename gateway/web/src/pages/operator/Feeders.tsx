/** All feeders at a glance: what alarms first, then area by area how heavily each is loaded. */

import { useMemo } from "react";
import { Link } from "wouter";
import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { AlertRow, FeederRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Bar, Card, type Column, Empty, joined, Page, Table, To } from "../../ui";
import { useAlert } from "./alerts";
import type { FeederShown } from "./answers";
import { toFeeder } from "./places";
import { TEXTS } from "./texts";

/** Of so many the last report is asked at once; of the others it stands on their page. */
const WITH_LOAD = 60;

export default function Feeders() {
  const t = useTexts(TEXTS);
  const feeders = usePages<FeederRow>("/feeders", { size: 200 });
  const alerts = usePages<AlertRow>("/alerts");
  useLive("blocks", ["/feeders", "/alerts"]);
  return (
    <Page title={t.feeders} lead={t.feedersLead}>
      <Card title={t.alerts} flush>
        <Answer of={alerts} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="check" title={t.noAlerts} />}>
          {(rows) => <Alerts rows={rows} onMore={alerts.more} />}
        </Answer>
      </Card>
      <Answer of={feeders} empty={(rows) => rows.length === 0} whenEmpty={<NoFeeders />} lines={8}>
        {(rows) => <ByArea rows={rows} />}
      </Answer>
    </Page>
  );
}

function NoFeeders() {
  const t = useTexts(TEXTS);
  return (
    <Card>
      <Empty icon="transformer" title={t.noFeeders} text={t.noFeedersText} />
    </Card>
  );
}

function Alerts({ rows, onMore }: { rows: readonly AlertRow[]; onMore: (() => void) | undefined }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { kindOf, amountOf } = useAlert();
  const columns: Column<AlertRow>[] = [
    { id: "kind", title: t.alert, main: true, cell: (row) => <Badge tone="bad">{kindOf(row.kind)}</Badge> },
    { id: "feeder", title: t.feeder, cell: (row) => <To href={toFeeder(row.feeder)}>{row.feeder}</To> },
    { id: "value", title: t.measured, figure: true, cell: (row) => amountOf(row.kind, row.value) },
    { id: "limit", title: t.limit, figure: true, cell: (row) => amountOf(row.kind, row.limit) },
    { id: "since", title: t.since, figure: true, cell: (row) => format.time(row.opened_ms) },
  ];
  return (
    <Table
      caption={t.alerts}
      columns={columns}
      rows={rows}
      keyOf={(row) => `${row.feeder} ${row.kind}`}
      onMore={onMore}
    />
  );
}

function ByArea({ rows }: { rows: readonly FeederRow[] }) {
  const t = useTexts(TEXTS);
  const areas = useMemo(() => [...Map.groupBy(rows, (row) => row.area).entries()].sort(), [rows]);
  let asked = 0;
  return areas.map(([area, feeders]) => (
    <section key={area} aria-label={area || t.noArea} className="grid gap-3">
      <h2 className="text-base font-semibold">{area || t.noArea}</h2>
      <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
        {feeders.map((row) => {
          asked += 1;
          return <Tile key={row.feeder} row={row} load={asked <= WITH_LOAD} />;
        })}
      </ul>
    </section>
  ));
}

function Tile({ row, load }: { row: FeederRow; load: boolean }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = useAsked<FeederShown>(`/feeders/${part(row.feeder)}`, {}, { when: load });
  const loading = asked.data?.interval?.loading_micro ?? null;
  return (
    <li>
      <Link
        href={toFeeder(row.feeder)}
        className={joined(
          "grid gap-2 rounded-card border bg-surface p-4 transition-colors hover:border-accent",
          row.alerts > 0 ? "border-bad" : "border-line",
        )}
      >
        <span className="flex items-start justify-between gap-2">
          <span className="min-w-0 font-medium">{row.feeder}</span>
          {row.alerts > 0 ? <Badge tone="bad">{t.alertCount(format.number(row.alerts))}</Badge> : null}
        </span>
        <span className="text-sm text-ink-soft">
          {row.transformer} · {format.apparent(row.rating_va)}
        </span>
        <Bar micro={loading ?? 0} label={t.loading} />
        <span className="flex justify-between gap-2 text-sm">
          <span>{loading === null ? t.loadingUnknown : t.loaded(format.share(loading))}</span>
          <span className="text-ink-soft">
            {row.last_interval_ms ? format.time(row.last_interval_ms) : t.notWatched}
          </span>
        </span>
      </Link>
    </li>
  );
}
