/** One proposal among organisations: what it changes, who is for it, and one's own vote. */

import { useAsked } from "../../api/asking";
import { part } from "../../api/client";
import type { GovernanceRow, VoteRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Badge, Card, type Column, Columns, Empty, Facts, Hash, Json, Page, Table, To } from "../../ui";
import { Act } from "../Act";
import { Stage } from "./Governance";
import { LEDGER, toIdentity, toTransaction } from "./places";
import { TEXTS } from "./texts";

interface Proposed {
  readonly row: GovernanceRow;
  readonly votes: readonly VoteRow[];
}

export default function Proposal({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const person = usePerson();
  const asked = useAsked<Proposed>(`/governance/proposals/${part(params.id)}`);
  const found = asked.data;
  const voted = found?.votes.some((vote) => vote.organisation === person.organisation);
  const votes = person.role === "admin" && found?.row.stage === "open" && !voted;
  const call = (name: string) => ({ contract: "governance", function: name, arguments: { proposal: params.id } });
  return (
    <Page
      title={found ? found.row.kind.replaceAll("_", " ") : t.proposal}
      back={{ href: `${LEDGER}/governance`, label: t.governance }}
      action={
        votes && (
          <>
            <Act look="primary" call={call("approve")}>
              {t.approve}
            </Act>
            <Act call={call("reject")}>{t.reject}</Act>
          </>
        )
      }
    >
      <Answer of={asked} lines={6}>
        {(proposed) => <Whole of={proposed} />}
      </Answer>
    </Page>
  );
}

function Whole({ of: { row, votes } }: { of: Proposed }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const columns: Column<VoteRow>[] = [
    { id: "organisation", title: t.organisation, main: true, cell: (vote) => vote.organisation },
    {
      id: "vote",
      title: t.vote,
      cell: (vote) => (
        <Badge tone={vote.vote === "approve" ? "good" : "bad"}>
          {vote.vote === "approve" ? t.approves : t.rejects}
        </Badge>
      ),
    },
    { id: "voter", title: t.by, cell: (vote) => <Hash value={vote.voter} href={toIdentity(vote.voter)} /> },
  ];
  return (
    <>
      <Columns>
        <Card>
          <Facts
            of={[
              [t.stage, <Stage key="stage" stage={row.stage} />],
              [t.organisation, row.organisation],
              [t.by, <Hash key="by" value={row.proposer} href={toIdentity(row.proposer)} />],
              [t.made, format.time(row.made_ms)],
              row.stage === "open" ? [t.expires, format.time(row.expires_ms)] : [t.closed, format.time(row.closed_ms)],
              [
                t.transaction,
                <To key="transaction" href={toTransaction(row.transaction)}>
                  {format.number(row.height)}
                </To>,
              ],
            ]}
          />
        </Card>
        <Card title={t.change}>
          <Json value={row.change} />
        </Card>
      </Columns>
      <Card title={t.votes} flush>
        {votes.length === 0 ? (
          <Empty title={t.noVotes} />
        ) : (
          <Table caption={t.votes} columns={columns} rows={votes} keyOf={(vote) => vote.organisation} />
        )}
      </Card>
    </>
  );
}
