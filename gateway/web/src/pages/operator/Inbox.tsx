/** What waits for somebody of the utility: decisions of a second person, wallets that claim, disputes, alarms. */

import { useAsked } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, Empty, Page, To } from "../../ui";
import { Waiting } from "../ledger/Governance";
import { useAlert } from "./alerts";
import { type Told, waitingKinds } from "./answers";
import { Claims } from "./Claims";
import { OPERATOR, toFeeder } from "./places";
import { TEXTS } from "./texts";

export default function Inbox() {
  const t = useTexts(TEXTS);
  const asked = useAsked<{ readonly items: readonly Told[] }>("/notices");
  useLive("notices", ["/notices", "/proposals", "/claims"]);
  return (
    <Page title={t.inbox} lead={t.inboxLead}>
      <Answer
        of={asked}
        empty={({ items }) => items.length === 0}
        whenEmpty={
          <Card>
            <Empty icon="check" title={t.inboxEmpty} text={t.inboxEmptyText} />
          </Card>
        }
      >
        {({ items }) => {
          const kinds = waitingKinds(items);
          return (
            <>
              {kinds.has("proposal") && <Waiting />}
              {kinds.has("claim") && <Claims />}
              {(kinds.has("dispute") || kinds.has("alert")) && <Others rows={items} />}
            </>
          );
        }}
      </Answer>
    </Page>
  );
}

function Others({ rows }: { rows: readonly Told[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { kindOf } = useAlert();
  const shown = rows.filter((row) => row.kind === "dispute" || row.kind === "alert");
  return (
    <Card title={t.inboxOthers}>
      <ul className="grid gap-4">
        {shown.map((row) => (
          <li
            key={`${row.kind} ${row.about} ${row.detail}`}
            className="flex flex-wrap items-center justify-between gap-3 border-line not-first:border-t not-first:pt-4"
          >
            <div className="min-w-0">
              <p className="font-medium">
                <To href={row.kind === "dispute" ? `${OPERATOR}/disputes` : toFeeder(row.about)}>{row.about}</To>
              </p>
              <p className="text-sm text-ink-soft">
                {row.kind === "dispute" ? row.detail : kindOf(row.detail)} · {format.time(row.since_ms)}
              </p>
            </div>
            {row.kind === "dispute" ? <Badge tone="warn">{t.inboxDispute}</Badge> : <Badge tone="bad">{t.alert}</Badge>}
          </li>
        ))}
      </ul>
    </Card>
  );
}
