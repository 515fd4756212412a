/** Does it add up? Checks over the ledger's rows, what was refused, evidence against validators, who takes part. */

import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAsked, usePages } from "../../api/asking";
import { api, type Page as Listed, part } from "../../api/client";
import type {
  AccountRow,
  BlockRow,
  Epoch,
  FaultRow,
  FeederRow,
  IntervalRow,
  InvoiceRow,
  OrganisationRow,
  TransactionRow,
} from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, ButtonLink, Card, type Column, Columns, Empty, Page, Table, To } from "../../ui";
import { toTransaction } from "../ledger/places";
import { Transactions } from "../ledger/Transactions";
import {
  accountsAreCovered,
  billsAreNotOverpaid,
  blocksAreSigned,
  blocksFollow,
  type Checked,
  type Currency,
  consumptionIsAllocated,
  energyIsConserved,
  generationIsAllocated,
  moneyIsConserved,
} from "./checks";
import { TEXTS } from "./texts";

const SIZE = 500;
/** Of a list that long at most: what is longer is audited on the command line. */
const PAGES = 20;
const WEEK_MS = 7 * 86_400_000;

export default function Audit() {
  const t = useTexts(TEXTS);
  const refused = usePages<TransactionRow>("/transactions", { refused: true, size: 10 });
  const faults = usePages<FaultRow>("/evidence");
  const organisations = useAsked<Listed<OrganisationRow>>("/organisations");
  return (
    <Page
      title={t.audit}
      lead={t.auditLead}
      action={
        <ButtonLink look="primary" icon="share" href="/regulator/exports">
          {t.exports}
        </ButtonLink>
      }
    >
      <Checks />
      <Card title={t.refused} lead={t.refusedLead} flush>
        <Answer of={refused} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="check" title={t.noRefused} />}>
          {(rows) => <Transactions rows={rows} onMore={refused.more} busy={refused.busy} />}
        </Answer>
      </Card>
      <Columns>
        <Card title={t.evidence}>
          <Answer
            of={faults}
            empty={(rows) => rows.length === 0}
            whenEmpty={<Empty icon="shield" title={t.noEvidence} />}
          >
            {(rows) => (
              <ul className="grid gap-2">
                {rows.map((row) => (
                  <li key={row.fault} className="flex justify-between gap-3">
                    <span>{row.organisation}</span>
                    <To href={toTransaction(row.transaction)}>{row.ballot}</To>
                  </li>
                ))}
              </ul>
            )}
          </Answer>
        </Card>
        <Card title={t.organisations}>
          <Answer of={organisations} empty={(answer) => answer.items.length === 0}>
            {(answer) => (
              <ul className="grid gap-2">
                {answer.items.map((row) => (
                  <li key={row.organisation} className="flex justify-between gap-3">
                    <span>{row.organisation}</span>
                    <Badge tone={row.status === "active" ? "good" : "warn"}>{row.status}</Badge>
                  </li>
                ))}
              </ul>
            )}
          </Answer>
        </Card>
      </Columns>
    </Page>
  );
}

/** All of a list, page by page, as far as a browser should. */
async function everything<Row>(path: string, signal: AbortSignal): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let after = "";
  for (let page = 0; page < PAGES; page++) {
    const found = await api.get<Listed<Row>>(path, { size: SIZE, after }, signal);
    rows.push(...found.items);
    after = found.after;
    if (!after) break;
  }
  return rows;
}

function useWhole<Row>(path: string) {
  return useQuery({ queryKey: [path, "whole"], queryFn: ({ signal }) => everything<Row>(path, signal) });
}

interface CheckRow {
  readonly name: string;
  readonly found: Checked | undefined;
  readonly error: unknown;
  said(count: string): string;
}

function useChecks(): readonly CheckRow[] {
  const t = useTexts(TEXTS);
  const [untilMs] = useState(() => Math.floor(api.now() / 60_000) * 60_000);
  const blocks = useAsked<Listed<BlockRow>>("/blocks", { size: SIZE });
  const epochs = useAsked<Listed<Epoch>>("/validators", { size: 50 });
  const accounts = useWhole<AccountRow>("/accounts");
  const bills = useWhole<InvoiceRow>("/bills");
  const currency = useAsked<Currency>("/currency");
  const feeders = useWhole<FeederRow>("/feeders");
  const reports = useQueries({
    queries: (feeders.data ?? []).map(({ feeder }) => {
      const path = `/feeders/${part(feeder)}/intervals`;
      const params = { from_ms: untilMs - WEEK_MS, until_ms: untilMs };
      return { queryKey: [path, params], queryFn: () => api.get<{ items: readonly IntervalRow[] }>(path, params) };
    }),
    combine: (asked) => ({
      error: asked.find((one) => one.error)?.error,
      rows: asked.every((one) => one.data) ? asked.flatMap((one) => one.data?.items ?? []) : undefined,
    }),
  });
  const quorums = epochs.data && new Map(epochs.data.items.map((epoch) => [epoch.epoch, epoch.quorum]));
  const intervals = feeders.data ? reports.rows : undefined;
  const wrong = reports.error ?? feeders.error;
  const blocked = blocks.data?.items;
  return [
    { name: t.checkBlocks, found: blocked && blocksFollow(blocked), error: blocks.error, said: t.ofBlocks },
    {
      name: t.checkCertificates,
      found: blocked && quorums && blocksAreSigned(blocked, quorums),
      error: blocks.error ?? epochs.error,
      said: t.ofBlocks,
    },
    { name: t.checkEnergy, found: intervals && energyIsConserved(intervals), error: wrong, said: t.ofIntervals },
    { name: t.checkUse, found: intervals && consumptionIsAllocated(intervals), error: wrong, said: t.ofIntervals },
    { name: t.checkMade, found: intervals && generationIsAllocated(intervals), error: wrong, said: t.ofIntervals },
    {
      name: t.checkSupply,
      found: currency.data && moneyIsConserved(currency.data),
      error: currency.error,
      said: t.ofAccounts,
    },
    {
      name: t.checkMoney,
      found: accounts.data && accountsAreCovered(accounts.data),
      error: accounts.error,
      said: t.ofAccounts,
    },
    { name: t.checkBills, found: bills.data && billsAreNotOverpaid(bills.data), error: bills.error, said: t.ofBills },
  ];
}

const PLACES_SHOWN = 5;

function Checks() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const rows = useChecks();
  const columns: Column<CheckRow>[] = [
    { id: "name", title: t.check, main: true, cell: (row) => row.name },
    { id: "result", title: t.result, cell: (row) => <Result row={row} /> },
    {
      id: "looked",
      title: t.checked,
      cell: (row) => (row.found?.looked ? row.said(format.number(row.found.looked)) : "–"),
    },
    {
      id: "where",
      title: t.where,
      cell: (row) => row.found?.broken.slice(0, PLACES_SHOWN).join(", ") || "–",
    },
  ];
  return (
    <Card title={t.checks} lead={t.checksLead} flush>
      <Table caption={t.checks} columns={columns} rows={rows} keyOf={(row) => row.name} />
      <p className="border-t border-line px-4 py-3 text-sm text-ink-soft sm:px-5">
        {t.whole} <code className="font-mono">ledgernode verify</code>,{" "}
        <code className="font-mono">ledgernode audit</code>
      </p>
    </Card>
  );
}

function Result({ row }: { row: CheckRow }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  if (row.error && !row.found) return <Badge tone="warn">{(row.error as Error).message}</Badge>;
  if (!row.found) return <Badge>{t.running}</Badge>;
  if (row.found.looked === 0) return <Badge>{t.nothing}</Badge>;
  if (row.found.broken.length > 0) return <Badge tone="bad">{t.fails(format.number(row.found.broken.length))}</Badge>;
  return <Badge tone="good">{t.holds}</Badge>;
}
