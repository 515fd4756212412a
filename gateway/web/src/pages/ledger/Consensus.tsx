/** Who agrees on blocks, how each node is at this moment, and evidence against any of them. */

import { useAsked, usePages } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { Epoch, FaultRow, Seat } from "../../api/rows";
import { useLedger } from "../../app/LedgerProvider";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, type Column, Columns, Empty, Figure, Hash, Page, Table, To } from "../../ui";
import { toBlock, toIdentity, toTransaction } from "./places";
import { TEXTS } from "./texts";

/** A node as the gateway reaches it; of one that does not answer `code` says why. */
interface NodeShown {
  readonly number: number;
  readonly address: string;
  readonly answers: boolean;
  readonly code: string;
  readonly height: number;
  readonly time_ms: number;
  readonly epoch: number;
  readonly engine: string;
  readonly validators: number;
  readonly latency_ms: number;
  /** Of PBFT: the view that the node is in, and who leads it. */
  readonly view: number | null;
  readonly leader: string;
}

const EVERY_MS = 3_000;

export default function Consensus() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { engine } = useLedger();
  const epochs = useAsked<{ items: readonly Epoch[] }>("/validators");
  const nodes = useAsked<{ items: readonly NodeShown[] }>("/consensus", {}, { everyMs: EVERY_MS });
  const faults = usePages<FaultRow>("/evidence");
  useLive("blocks", ["/validators", "/evidence"]);
  const current = epochs.data?.items[0];
  const height = Math.max(0, ...(nodes.data?.items.map((node) => node.height) ?? []));
  const newest = nodes.data?.items.filter((node) => node.leader).sort((one, other) => other.height - one.height)[0];
  return (
    <Page title={t.consensus} lead={t.consensusLead}>
      <Columns of={4}>
        <Figure label={t.engine} value={engine ?? "–"} />
        <Figure label={t.height} value={height ? format.number(height) : "–"} />
        <Figure
          label={t.quorum}
          value={current ? t.of(format.number(current.quorum), format.number(current.seats.length)) : "–"}
        />
        <Figure label={t.mayFail} value={current ? format.number(current.may_fail) : "–"} />
      </Columns>
      <Card title={t.nodes} flush>
        <Answer of={nodes} empty={(answer) => answer.items.length === 0}>
          {(answer) => <Nodes rows={answer.items} height={height} />}
        </Answer>
      </Card>
      <Card
        title={t.validators}
        lead={current && t.validatorsLead(format.number(current.epoch), format.number(current.from_height))}
        flush
      >
        <Answer of={epochs} empty={(answer) => answer.items.length === 0}>
          {(answer) => <Seats rows={answer.items[0]?.seats ?? []} leader={newest?.leader ?? ""} />}
        </Answer>
      </Card>
      {(epochs.data?.items.length ?? 0) > 1 && (
        <Card title={t.epochs} lead={t.epochsLead} flush>
          <Epochs rows={epochs.data?.items ?? []} />
        </Card>
      )}
      <Card title={t.evidence} lead={t.evidenceLead} flush>
        <Answer
          of={faults}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="shield" title={t.noEvidence} />}
        >
          {(rows) => <Faults rows={rows} onMore={faults.more} />}
        </Answer>
      </Card>
    </Page>
  );
}

function Nodes({ rows, height }: { rows: readonly NodeShown[]; height: number }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<NodeShown>[] = [
    { id: "node", title: t.node, main: true, cell: (row) => row.address || `${t.node} ${format.number(row.number)}` },
    {
      id: "status",
      title: t.status,
      cell: (row) =>
        row.answers ? (
          <Badge tone="good">{t.reachable}</Badge>
        ) : (
          <Badge tone="bad">
            {t.unreachable} {row.code && <span className="font-mono">{row.code}</span>}
          </Badge>
        ),
    },
    {
      id: "height",
      title: t.height,
      figure: true,
      cell: (row) => (row.answers ? <To href={toBlock(row.height)}>{format.number(row.height)}</To> : "–"),
    },
    {
      id: "behind",
      title: t.behind,
      figure: true,
      cell: (row) => (row.answers ? t.behindBlocks(format.number(Math.max(0, height - row.height))) : "–"),
    },
    {
      id: "view",
      title: t.view,
      figure: true,
      cell: (row) => (row.view === null ? "–" : format.number(row.view)),
    },
    {
      id: "latency",
      title: t.latency,
      figure: true,
      cell: (row) => (row.answers ? format.duration(row.latency_ms) : "–"),
    },
    {
      id: "time",
      title: t.blockTime,
      figure: true,
      cell: (row) => (row.answers ? format.moment(row.time_ms) : "–"),
    },
  ];
  const known = rows.some((row) => row.view !== null);
  const shown = known ? columns : columns.filter((column) => column.id !== "view");
  return <Table caption={t.nodes} columns={shown} rows={rows} keyOf={(row) => `${row.number}`} />;
}

function Epochs({ rows }: { rows: readonly Epoch[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<Epoch>[] = [
    { id: "epoch", title: t.epoch, main: true, cell: (row) => format.number(row.epoch) },
    {
      id: "from",
      title: t.fromBlock,
      figure: true,
      cell: (row) => <To href={toBlock(row.from_height)}>{format.number(row.from_height)}</To>,
    },
    {
      id: "quorum",
      title: t.quorum,
      figure: true,
      cell: (row) => t.of(format.number(row.quorum), format.number(row.seats.length)),
    },
    {
      id: "seats",
      title: t.validators,
      cell: (row) => [...new Set(row.seats.map((seat) => seat.organisation))].join(", "),
    },
  ];
  return <Table caption={t.epochs} columns={columns} rows={rows} keyOf={(row) => `${row.epoch}`} />;
}

function Seats({ rows, leader }: { rows: readonly Seat[]; leader: string }) {
  const t = useTexts(TEXTS);
  const columns: Column<Seat>[] = [
    {
      id: "organisation",
      title: t.organisation,
      main: true,
      cell: (row) => (
        <span className="inline-flex flex-wrap items-center gap-2">
          <To href={toIdentity(row.identity)}>{row.organisation}</To>
          {row.identity === leader && <Badge tone="accent">{t.leads}</Badge>}
        </span>
      ),
    },
    { id: "identity", title: t.identity, cell: (row) => <Hash value={row.identity} /> },
    { id: "key", title: t.publicKey, cell: (row) => <Hash value={row.public_key} /> },
  ];
  return <Table caption={t.validators} columns={columns} rows={rows} keyOf={(row) => `${row.position}`} />;
}

function Faults({ rows, onMore }: { rows: readonly FaultRow[]; onMore: (() => void) | undefined }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<FaultRow>[] = [
    {
      id: "fault",
      title: t.fault,
      main: true,
      cell: (row) => <To href={toTransaction(row.transaction)}>{row.ballot}</To>,
    },
    { id: "organisation", title: t.organisation, cell: (row) => row.organisation },
    { id: "member", title: t.validator, cell: (row) => <Hash value={row.member} href={toIdentity(row.member)} /> },
    { id: "height", title: t.atHeight, figure: true, cell: (row) => format.number(row.fault_height) },
    {
      id: "by",
      title: t.reportedBy,
      cell: (row) => <Hash value={row.reported_by} href={toIdentity(row.reported_by)} />,
    },
  ];
  return <Table caption={t.evidence} columns={columns} rows={rows} keyOf={(row) => row.fault} onMore={onMore} />;
}
