/** One transaction: who called what with which arguments, what came of it, and the way to its proof. */

import { useAsked } from "../../api/asking";
import { PREFIX, part } from "../../api/client";
import type { EventRow, TransactionDetail } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Card, Columns, DownloadLink, Empty, Facts, Hash, Json, Notice, Page, To } from "../../ui";
import { LEDGER, toBlock } from "./places";
import { Creator, callOf, Result } from "./Transactions";
import { TEXTS } from "./texts";

/** `withheld`: what was said is not for this person. */
type Shown = TransactionDetail & { readonly withheld?: boolean };

export default function Transaction({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const asked = useAsked<Shown>(`/transactions/${part(params.id)}`);
  const row = asked.data?.row;
  return (
    <Page
      title={row ? callOf(row) || t.timerCall : t.transaction}
      back={{ href: LEDGER, label: t.explorer }}
      action={
        row?.origin === 0 && (
          <DownloadLink icon="shield" href={`${PREFIX}/proofs/transactions/${part(params.id)}`}>
            {t.download}
          </DownloadLink>
        )
      }
    >
      <Answer of={asked} lines={8}>
        {(shown) => <Whole shown={shown} />}
      </Answer>
    </Page>
  );
}

function Whole({ shown }: { shown: Shown }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { row, call, events, withheld = false } = shown;
  return (
    <>
      <Card>
        <Facts
          of={[
            [t.result, <Result key="result" code={row.code} />],
            call.message ? [t.message, call.message] : null,
            [t.transaction, <Hash key="id" value={row.id} length={12} />],
            row.contract ? [t.contract, row.contract] : null,
            row.function ? [t.function, row.function] : null,
            [t.creator, <Creator key="creator" row={row} />],
            [t.time, format.moment(row.time_ms)],
            [
              t.height,
              <To key="height" href={toBlock(row.height)}>
                {format.number(row.height)}
              </To>,
            ],
            [t.position, format.number(row.position)],
            row.items > 0 ? [t.items, format.number(row.items)] : null,
            [t.budget, format.number(row.budget_used)],
          ]}
        />
      </Card>
      {withheld ? (
        <Notice icon="shield" title={t.withheldTitle}>
          {t.withheldText}
        </Notice>
      ) : (
        <Columns>
          <Card title={t.arguments}>
            <Said value={call.arguments} size={call.arguments_bytes} none={t.noArguments} />
          </Card>
          <Card title={t.answer}>
            <Said value={call.result} size={0} none="–" />
          </Card>
        </Columns>
      )}
      <Card title={t.events} lead={events.length > 0 && format.number(events.length)}>
        {events.length === 0 ? (
          <Empty title={t.noEvents} />
        ) : (
          events.map((event) => <Told key={event.number} event={event} />)
        )}
      </Card>
    </>
  );
}

function Said({ value, size, none }: { value: unknown; size: number; none: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  if (value !== null && typeof value === "object" && Object.keys(value).length === 0) return <p>{none}</p>;
  if (value !== null) return <Json value={value} />;
  return <p className="text-ink-soft">{size > 4 ? t.tooLong(format.bytes(size)) : none}</p>;
}

function Told({ event }: { event: EventRow }) {
  return (
    <details className="border-line py-2 not-first:border-t" open={event.payload !== null}>
      <summary className="font-medium">
        {event.contract}.{event.name}
        {event.subject && (
          <span className="ms-4 block font-mono text-sm font-normal text-ink-soft">{event.subject}</span>
        )}
      </summary>
      {event.payload !== null && (
        <div className="mt-2">
          <Json value={event.payload} />
        </div>
      )}
    </details>
  );
}
