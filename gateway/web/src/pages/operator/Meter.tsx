/** One meter: where it hangs, what it told last, its readings as they were signed, what it has noticed. */

import { useAsked, usePages } from "../../api/asking";
import { api, part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { MeterRow, ReadingRow, TamperRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, type Column, Columns, Empty, Facts, Hash, Page, Table, To } from "../../ui";
import { toIdentity, toTransaction } from "../ledger/places";
import { MeterStatus } from "./Meters";
import { OPERATOR, toPoint } from "./places";
import { TEXTS } from "./texts";

export default function Meter({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const asked = useAsked<MeterRow>(`/meters/${part(params.id)}`);
  return (
    <Page
      title={asked.data?.pan ? `${t.meter} ${asked.data.pan}` : t.meter}
      back={{ href: `${OPERATOR}/meters`, label: t.meters }}
    >
      <Answer of={asked} lines={6}>
        {(row) => <Whole row={row} />}
      </Answer>
    </Page>
  );
}

function Whole({ row }: { row: MeterRow }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  useLive(`points:${row.point}`, [`/meters/${part(row.meter)}`, `/points/${part(row.point)}`]);
  return (
    <>
      <Columns>
        <Card title={t.meter}>
          <Facts
            of={[
              [t.status, <MeterStatus key="status" row={row} nowMs={api.now()} />],
              [
                t.point,
                <To key="point" href={toPoint(row.point)}>
                  {row.point}
                </To>,
              ],
              row.pan
                ? [
                    t.pan,
                    <span key="pan" className="font-mono">
                      {row.pan}
                    </span>,
                  ]
                : null,
              [t.signs, row.gateway_signed ? t.gatewaySigns : t.meterSigns],
              [t.installed, format.time(row.installed_ms)],
              row.predecessor ? [t.predecessor, row.predecessor] : null,
            ]}
          />
        </Card>
        <Card title={t.lastReading}>
          <Facts
            of={[
              [t.time, row.last_ms ? format.moment(row.last_ms) : "–"],
              [t.register, format.energy(row.last_import_mwh)],
              [t.registerExport, format.energy(row.last_export_mwh)],
              [t.latency, row.heard_ms ? format.duration(Math.max(0, row.heard_ms - row.last_ms)) : "–"],
              [t.held, format.number(row.held)],
            ]}
          />
        </Card>
      </Columns>
      <Readings point={row.point} />
      <Tampers point={row.point} />
    </>
  );
}

function Readings({ point }: { point: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = usePages<ReadingRow>(`/points/${part(point)}/readings`, { size: 20 });
  const columns: Column<ReadingRow>[] = [
    {
      id: "time",
      title: t.time,
      main: true,
      cell: (row) => <To href={toTransaction(row.transaction)}>{format.moment(row.time_ms)}</To>,
    },
    {
      id: "state",
      title: t.status,
      cell: (row) => <Badge tone={row.state === "held" ? "warn" : "plain"}>{row.state}</Badge>,
    },
    { id: "import", title: t.register, figure: true, cell: (row) => format.energy(row.import_mwh) },
    { id: "export", title: t.registerExport, figure: true, cell: (row) => format.energy(row.export_mwh) },
    {
      id: "power",
      title: t.power,
      figure: true,
      cell: (row) => (row.power_mw === null ? "–" : format.power(row.power_mw)),
    },
    {
      id: "voltage",
      title: t.voltage,
      figure: true,
      cell: (row) => (row.voltage_mv === null ? "–" : format.voltage(row.voltage_mv)),
    },
  ];
  return (
    <Card title={t.readings} lead={t.readingsLead} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0}>
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
    </Card>
  );
}

function Tampers({ point }: { point: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = usePages<TamperRow>(`/points/${part(point)}/tampers`, { size: 20 });
  const columns: Column<TamperRow>[] = [
    { id: "kind", title: t.noticed, main: true, cell: (row) => <Badge tone="warn">{row.kind}</Badge> },
    { id: "detail", title: t.detail, cell: (row) => row.detail || "–" },
    { id: "time", title: t.time, figure: true, cell: (row) => format.moment(row.time_ms) },
  ];
  return (
    <Card title={t.tampers} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="check" title={t.noTampers} />}>
        {(rows) => (
          <Table
            caption={t.tampers}
            columns={columns}
            rows={rows}
            keyOf={(row) => `${row.time_ms} ${row.kind}`}
            onMore={asked.more}
          />
        )}
      </Answer>
    </Card>
  );
}
