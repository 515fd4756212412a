/** What organisations propose to one another, and what waits for a second person of one's own. */

import { usePages } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { GovernanceRow, ProposalRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Badge, Card, type Column, Empty, Page, Table, To, type Tone } from "../../ui";
import { Act } from "../Act";
import { Data } from "../Data";
import { toProposal } from "./places";
import { TEXTS } from "./texts";

const TONES: Readonly<Record<string, Tone>> = { open: "info", enacted: "good", defeated: "bad" };

export function Stage({ stage }: { stage: string }) {
  const t = useTexts(TEXTS);
  const stages: Readonly<Record<string, string>> = t.stages;
  return <Badge tone={TONES[stage] ?? "plain"}>{stages[stage] ?? stage}</Badge>;
}

export default function Governance() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const asked = usePages<GovernanceRow>("/governance/proposals");
  useLive("blocks", ["/governance", "/proposals"]);
  const columns: Column<GovernanceRow>[] = [
    {
      id: "kind",
      title: t.kind,
      main: true,
      cell: (row) => <To href={toProposal(row.proposal)}>{row.kind.replaceAll("_", " ")}</To>,
    },
    { id: "stage", title: t.stage, cell: (row) => <Stage stage={row.stage} /> },
    { id: "by", title: t.by, cell: (row) => row.organisation },
    { id: "made", title: t.made, figure: true, cell: (row) => format.time(row.made_ms) },
    {
      id: "closed",
      title: t.expires,
      figure: true,
      cell: (row) => format.time(row.stage === "open" ? row.expires_ms : row.closed_ms),
    },
  ];
  return (
    <Page title={t.governance} lead={t.governanceLead}>
      {(isStaff(person.role) || person.role === "regulator") && <Waiting />}
      <Card title={t.proposals} flush>
        <Answer
          of={asked}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="shield" title={t.noProposals} />}
        >
          {(rows) => (
            <Table
              caption={t.proposals}
              columns={columns}
              rows={rows}
              keyOf={(row) => row.proposal}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}

/** Of contracts: four eyes. Those of one `contract` alone stand on its pages, and only while there are any. */
export function Waiting({ contract = "" }: { contract?: string }) {
  const t = useTexts(TEXTS);
  const asked = usePages<ProposalRow>("/proposals", { contract });
  if (contract !== "" && !asked.error && !asked.data?.length) return null;
  return (
    <Card title={t.staffProposals} lead={t.staffProposalsLead}>
      <Answer
        of={asked}
        empty={(rows) => rows.length === 0}
        whenEmpty={<p className="text-ink-soft">{t.noStaffProposals}</p>}
      >
        {(rows) => (
          <ul className="grid gap-4">
            {rows.map((row) => (
              <One key={`${row.contract} ${row.proposal}`} row={row} />
            ))}
          </ul>
        )}
      </Answer>
    </Card>
  );
}

function One({ row }: { row: ProposalRow }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const own = row.proposer === person.identity;
  const mine = isStaff(person.role) && row.organisation === person.organisation;
  const call = { contract: row.contract, function: "approve", arguments: argumentOf(row) };
  return (
    <li className="grid gap-2 border-line not-first:border-t not-first:pt-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <div className="min-w-0">
          <p className="font-medium">
            {row.contract}: {row.kind.replaceAll("_", " ")}
          </p>
          <p className="text-sm text-ink-soft">
            {row.organisation} · {format.time(row.proposed_ms)}
            {own && ` · ${t.ownProposal}`}
          </p>
        </div>
        {mine && !own && (
          <Act call={call} beside={<Data call={`${row.contract}.${row.function}`} value={row.arguments} />}>
            {t.approve}
          </Act>
        )}
      </div>
      <details>
        <summary className="w-fit text-sm text-ink-soft">{t.change}</summary>
        <div className="mt-2">
          <Data call={`${row.contract}.${row.function}`} value={row.arguments} />
        </div>
      </details>
    </li>
  );
}

/** The currency calls what waits an issue; every other contract a proposal. */
function argumentOf(row: ProposalRow): Readonly<Record<string, string>> {
  return row.contract === "currency" ? { issue: row.proposal } : { proposal: row.proposal };
}
