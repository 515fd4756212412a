/**
 * What a market would have brought to measured houses. The back test is played by `ledgernode backtest --out FOLDER`;
 * here its document is opened, compared and drawn. The file stays in this browser.
 */

import { type ChangeEvent, useMemo, useState } from "react";
import { useFormat } from "../../format";
import { makeFormat } from "../../format/format";
import { useTexts } from "../../i18n";
import { Badge, Card, type Column, Columns, Empty, Figure, Notice, Page, Table } from "../../ui";
import { type Found, readStudy, type Study } from "./backtest";
import { TEXTS } from "./texts";

const LARGEST_BYTES = 50_000_000;

export default function Backtest() {
  const t = useTexts(TEXTS);
  const [study, setStudy] = useState<Study | null>(null);
  const [failed, setFailed] = useState(false);
  const open = async (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.target.files?.[0];
    if (!file) return;
    try {
      if (file.size > LARGEST_BYTES) throw new Error("too long");
      setStudy(readStudy(await file.text()));
      setFailed(false);
    } catch {
      setFailed(true);
    }
  };
  return (
    <Page
      title={t.backtest}
      lead={t.backtestLead}
      action={
        <label className="inline-flex min-h-11 cursor-pointer items-center rounded-lg bg-accent px-4 font-medium text-on-accent hover:bg-accent-strong has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent">
          {t.openFile}
          <input type="file" accept="application/json,.json" onChange={open} className="sr-only" />
        </label>
      }
    >
      {failed && <Notice tone="bad" icon="alert" title={t.noStudy} />}
      {study ? (
        <Whole study={study} />
      ) : (
        <Card>
          <Empty
            icon="market"
            title={t.noFile}
            text={<code className="font-mono text-sm">ledgernode backtest HOUSES --out FOLDER</code>}
          />
        </Card>
      )}
    </Page>
  );
}

function Whole({ study }: { study: Study }) {
  const t = useTexts(TEXTS);
  const ledger = useFormat();
  const format = useMemo(
    () => makeFormat({ ...ledger.ground, currency: study.currency, digits: study.digits }),
    [ledger, study],
  );
  const markets = study.mechanisms.filter((found) => found.is_market);
  const best = markets.reduce<Found | null>(
    (one, found) => (one && one.bill_minor <= found.bill_minor ? one : found),
    null,
  );
  const share = (micro: number | null) => (micro === null ? "–" : format.share(micro));
  const columns: Column<Found>[] = [
    { id: "mechanism", title: t.mechanism, main: true, value: (row) => row.mechanism, cell: (row) => row.mechanism },
    {
      id: "bill",
      title: t.billSum,
      figure: true,
      value: (row) => row.bill_minor,
      cell: (row) => format.money(row.bill_minor),
    },
    {
      id: "saved",
      title: t.saved,
      figure: true,
      value: (row) => row.saving_micro ?? 0,
      cell: (row) => share(row.saving_micro),
    },
    {
      id: "volume",
      title: t.traded,
      figure: true,
      value: (row) => row.volume_wh,
      cell: (row) => (row.is_market ? format.energyWh(row.volume_wh) : "–"),
    },
    {
      id: "price",
      title: t.price,
      figure: true,
      cell: (row) => (row.price_micro === null ? "–" : format.price(row.price_micro)),
    },
    {
      id: "own",
      title: t.selfSufficiency,
      figure: true,
      value: (row) => row.self_sufficiency_micro ?? 0,
      cell: (row) => share(row.self_sufficiency_micro),
    },
    {
      id: "used",
      title: t.selfConsumption,
      figure: true,
      value: (row) => row.self_consumption_micro ?? 0,
      cell: (row) => share(row.self_consumption_micro),
    },
    {
      id: "fair",
      title: t.fairness,
      figure: true,
      value: (row) => row.jain_micro ?? 0,
      cell: (row) => share(row.jain_micro),
    },
    {
      id: "conserved",
      title: t.conserved,
      cell: (row) => (row.conserved ? <Badge tone="good">{t.yes}</Badge> : <Badge tone="bad">{t.no}</Badge>),
    },
  ];
  return (
    <>
      <Columns of={4}>
        <Figure label={t.housesPlayed} value={format.number(study.houses)} />
        <Figure
          label={t.deliveries}
          value={format.number(study.deliveries)}
          note={t.minutes(format.number(study.step_minutes))}
        />
        <Figure label={t.begins} value={format.date(study.begin_ms)} />
        <Figure label={t.best} value={best?.mechanism ?? "–"} note={best && share(best.saving_micro)} tone="good" />
      </Columns>
      <Card title={t.saved} lead={t.savedLead}>
        <Bars study={study} value={(found) => found.saving_micro} said={share} />
      </Card>
      <Columns>
        <Card title={t.selfSufficiency}>
          <Bars study={study} value={(found) => found.self_sufficiency_micro} said={share} />
        </Card>
        <Card title={t.fairness} lead={t.fairnessLead}>
          <Bars study={study} value={(found) => found.jain_micro} said={share} />
        </Card>
      </Columns>
      <Card title={t.compared} flush>
        <Table caption={t.compared} columns={columns} rows={study.mechanisms} keyOf={(row) => row.mechanism} sortable />
      </Card>
    </>
  );
}

interface BarsProps {
  readonly study: Study;
  value(found: Found): number | null;
  said(micro: number | null): string;
}

/** One bar a mechanism; what is below zero grows to the left. */
function Bars({ study, value, said }: BarsProps) {
  const known = study.mechanisms.flatMap((found) => {
    const micro = value(found);
    return micro === null ? [] : [{ name: found.mechanism, micro }];
  });
  const most = Math.max(1, ...known.map((one) => Math.abs(one.micro)));
  const below = known.some((one) => one.micro < 0);
  return (
    <ul className="grid gap-2.5">
      {known.map(({ name, micro }) => (
        <li key={name} className="grid grid-cols-[7rem_1fr_4rem] items-center gap-2 text-sm">
          <span className="truncate">{name}</span>
          <span className={below ? "grid grid-cols-2" : ""} aria-hidden="true">
            {below && (
              <span className="flex justify-end">
                {micro < 0 && (
                  <span className="h-3.5 rounded-s bg-bad" style={{ width: `${(-micro / most) * 100}%` }} />
                )}
              </span>
            )}
            <span className="block">
              {micro >= 0 && (
                <span className="block h-3.5 rounded-e bg-accent" style={{ width: `${(micro / most) * 100}%` }} />
              )}
            </span>
          </span>
          <span className="text-end">{said(micro)}</span>
        </li>
      ))}
    </ul>
  );
}
