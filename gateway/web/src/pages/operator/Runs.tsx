/** Billing runs, month by month, and the points that cannot be billed yet. */

import { useAsked } from "../../api/asking";
import { api } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { RunRow, WaitingRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { monthStart, offsetMs } from "../../format/zone";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Badge, Bar, Card, type Column, Empty, Page, Table, To } from "../../ui";
import { Act } from "../Act";
import type { Items } from "./answers";
import { toPoint } from "./places";
import { TEXTS } from "./texts";

export default function Runs() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const asked = useAsked<Items<RunRow>>("/runs");
  const waiting = useAsked<Items<WaitingRow>>("/runs/waiting");
  useLive("blocks", ["/runs"]);
  const { zone } = format.ground;
  const last = monthStart(zone, api.now(), -1);
  const wall = new Date(last + offsetMs(zone, last));
  const [year, month] = [wall.getUTCFullYear(), wall.getUTCMonth() + 1];
  const known = asked.data?.items.some((row) => row.year === year && row.month === month) ?? true;
  const call = { contract: "billing", function: "run", arguments: { utility: person.organisation, year, month } };
  return (
    <Page
      title={t.runs}
      lead={t.runsLead}
      action={
        isStaff(person.role) &&
        !known && (
          <Act look="primary" call={call}>
            {t.runMonth(format.month(last))}
          </Act>
        )
      }
    >
      <Card title={t.runs} flush>
        <Answer
          of={asked}
          empty={(answer) => answer.items.length === 0}
          whenEmpty={<Empty icon="bill" title={t.noRuns} text={t.noRunsText} />}
        >
          {(answer) => <RunTable rows={answer.items} />}
        </Answer>
      </Card>
      {waiting.data && waiting.data.items.length > 0 && <WaitingPoints rows={waiting.data.items} />}
    </Page>
  );
}

/** What a run says of itself while it goes on. */
interface Progress {
  readonly done?: number;
  readonly total?: number;
  readonly invoices?: number;
}

function RunTable({ rows }: { rows: readonly RunRow[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<RunRow>[] = [
    {
      id: "month",
      title: t.month,
      main: true,
      cell: (row) => format.month(Date.UTC(row.year, row.month - 1, 15)),
    },
    { id: "utility", title: t.utility, cell: (row) => row.utility },
    {
      id: "status",
      title: t.status,
      cell: (row) => <Badge tone={row.status === "done" ? "good" : "info"}>{row.done_ms ? t.done : t.running}</Badge>,
    },
    {
      id: "progress",
      title: t.progress,
      cell: (row) => {
        const { done, total } = (row.progress ?? {}) as Progress;
        if (typeof done !== "number" || typeof total !== "number" || total === 0) return "–";
        return (
          <span className="block w-32 max-sm:ms-auto">
            <Bar
              micro={Math.round((done / total) * 1_000_000)}
              label={t.progress}
              warnAbove={2_000_000}
              badAbove={2_000_000}
            />
            <span className="text-sm text-ink-soft">{t.of(format.number(done), format.number(total))}</span>
          </span>
        );
      },
    },
    { id: "started", title: t.started, figure: true, cell: (row) => format.time(row.started_ms) },
    { id: "ended", title: t.ended, figure: true, cell: (row) => (row.done_ms ? format.time(row.done_ms) : "–") },
  ];
  return (
    <Table caption={t.runs} columns={columns} rows={rows} keyOf={(row) => `${row.utility} ${row.year}-${row.month}`} />
  );
}

function WaitingPoints({ rows }: { rows: readonly WaitingRow[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<WaitingRow>[] = [
    { id: "point", title: t.point, main: true, cell: (row) => <To href={toPoint(row.point)}>{row.point}</To> },
    { id: "reason", title: t.waitsFor, cell: (row) => row.reason },
    { id: "since", title: t.since, figure: true, cell: (row) => format.time(row.since_ms) },
  ];
  return (
    <Card title={t.waitingPoints} lead={t.waitingLead} flush>
      <Table caption={t.waitingPoints} columns={columns} rows={rows} keyOf={(row) => row.point} />
    </Card>
  );
}
