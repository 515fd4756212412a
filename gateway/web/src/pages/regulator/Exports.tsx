/** Tables to take away: which, of which days, as CSV or Parquet. */

import { useState } from "react";
import { useAsked } from "../../api/asking";
import { addressOf, api, part } from "../../api/client";
import { useFormat } from "../../format";
import { dayStart, instantOf, offsetMs } from "../../format/zone";
import { useTexts } from "../../i18n";
import { Answer, Card, Choice, DownloadLink, Facts, Field, Page } from "../../ui";
import { TEXTS } from "./texts";

interface Exported {
  readonly name: string;
  readonly columns: readonly { readonly name: string }[];
}

export default function Exports() {
  const t = useTexts(TEXTS);
  const asked = useAsked<{ items: readonly Exported[] }>("/exports");
  return (
    <Page title={t.exports} lead={t.exportsLead}>
      <Card>
        <Answer of={asked} empty={(answer) => answer.items.length === 0}>
          {(answer) => <Chosen tables={answer.items} />}
        </Answer>
      </Card>
    </Page>
  );
}

function Chosen({ tables }: { tables: readonly Exported[] }) {
  const t = useTexts(TEXTS);
  const { zone } = useFormat().ground;
  const names: Readonly<Record<string, string>> = t.tables;
  const dayOf = (timeMs: number) => new Date(timeMs + offsetMs(zone, timeMs)).toISOString().slice(0, 10);
  const [name, setName] = useState(tables[0]?.name ?? "");
  const [from, setFrom] = useState(() => dayOf(dayStart(zone, api.now(), -30)));
  const [until, setUntil] = useState(() => dayOf(api.now()));
  const chosen = tables.find((one) => one.name === name);
  const [fromMs, lastMs] = [instantOf(zone, Date.parse(from)), instantOf(zone, Date.parse(until))];
  const valid = Number.isFinite(fromMs) && Number.isFinite(lastMs) && fromMs <= lastMs;
  const params = valid ? { from_ms: fromMs, until_ms: dayStart(zone, lastMs, 1) } : {};
  return (
    <div className="grid gap-5">
      <div className="grid gap-4 sm:grid-cols-3">
        <Choice
          label={t.table}
          value={name}
          options={tables.map((one) => [one.name, names[one.name] ?? one.name])}
          onChange={(event) => setName(event.target.value)}
        />
        <Field label={t.from} type="date" value={from} onChange={(event) => setFrom(event.target.value)} />
        <Field
          label={t.until}
          type="date"
          value={until}
          {...(valid ? {} : { error: t.rangeError })}
          onChange={(event) => setUntil(event.target.value)}
        />
      </div>
      {chosen && (
        <Facts
          of={[
            [
              t.columns,
              <span key="columns" className="font-mono text-sm">
                {chosen.columns.map((one) => one.name).join(", ")}
              </span>,
            ],
          ]}
        />
      )}
      {valid && (
        <div className="flex flex-wrap gap-2">
          <DownloadLink look="primary" href={addressOf(`/exports/${part(name)}.csv`, params)}>
            CSV
          </DownloadLink>
          <DownloadLink href={addressOf(`/exports/${part(name)}.parquet`, params)}>Parquet</DownloadLink>
        </div>
      )}
    </div>
  );
}
