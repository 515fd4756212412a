/** Every meter that hangs: whether it is heard of, how long its readings take, what it told last. */

import { useMemo, useState } from "react";
import { useSearchParams } from "wouter";
import { usePages } from "../../api/asking";
import { api } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { MeterRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, type Column, Empty, Hash, Page, Segments, Table, To } from "../../ui";
import { toMeter, toPoint } from "./places";
import { TEXTS } from "./texts";

const SILENT_MS = 3_600_000;

/** Heard of lately, silent, or never heard of. */
export function MeterStatus({ row, nowMs }: { row: MeterRow; nowMs: number }) {
  const t = useTexts(TEXTS);
  if (row.removed_ms) return <Badge>{t.removed}</Badge>;
  if (!row.heard_ms) return <Badge tone="warn">{t.neverHeard}</Badge>;
  return nowMs - row.heard_ms > SILENT_MS ? <Badge tone="bad">{t.silent}</Badge> : <Badge tone="good">{t.heard}</Badge>;
}

/** By the number on its card where it has one; its id is a key's hash. */
export function MeterName({ row }: { row: MeterRow }) {
  if (!row.pan) return <Hash value={row.meter} href={toMeter(row.meter)} />;
  return (
    <span className="font-mono">
      <To href={toMeter(row.meter)} title={row.meter}>
        {row.pan}
      </To>
    </span>
  );
}

export default function Meters() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const [search] = useSearchParams();
  const feeder = search.get("feeder") ?? "";
  const [which, setWhich] = useState<"all" | "silent">("all");
  const nowMs = useMemo(() => Math.floor(api.now() / 60_000) * 60_000, []);
  const silent = which === "silent" ? nowMs - SILENT_MS : undefined;
  const asked = usePages<MeterRow>("/meters", { feeder, silent_before_ms: silent, size: 50 });
  useLive("blocks", ["/meters"]);
  const columns: Column<MeterRow>[] = [
    { id: "meter", title: t.meter, main: true, cell: (row) => <MeterName row={row} /> },
    { id: "status", title: t.status, cell: (row) => <MeterStatus row={row} nowMs={nowMs} /> },
    { id: "point", title: t.point, cell: (row) => <To href={toPoint(row.point)}>{row.point}</To> },
    {
      id: "last",
      title: t.lastReading,
      figure: true,
      cell: (row) => (row.last_ms ? format.moment(row.last_ms) : "–"),
    },
    {
      id: "latency",
      title: t.latency,
      figure: true,
      cell: (row) => (row.heard_ms ? format.duration(Math.max(0, row.heard_ms - row.last_ms)) : "–"),
    },
    { id: "import", title: t.register, figure: true, cell: (row) => format.energy(row.last_import_mwh) },
    { id: "export", title: t.registerExport, figure: true, cell: (row) => format.energy(row.last_export_mwh) },
    { id: "held", title: t.held, figure: true, cell: (row) => format.number(row.held) },
  ];
  return (
    <Page title={t.meters} lead={feeder ? t.onFeeder(feeder) : t.metersLead}>
      <div>
        <Segments
          label={t.show}
          value={which}
          options={[
            ["all", t.allMeters],
            ["silent", t.silentMeters],
          ]}
          onChange={setWhich}
        />
      </div>
      <Card flush>
        <Answer
          of={asked}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="check" title={which === "silent" ? t.noSilent : t.noMeters} />}
          lines={8}
        >
          {(rows) => (
            <Table
              caption={t.meters}
              columns={columns}
              rows={rows}
              keyOf={(row) => row.meter}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
