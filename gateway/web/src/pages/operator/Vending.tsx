/** What was vended at a point: its tokens and what became of each, debts, blocks; and what staff may propose there. */

import { useState } from "react";
import { useSearchParams } from "wouter";
import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import type { DebtRow, MeterRow, PrepaidRow, TokenRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import {
  Answer,
  Badge,
  Button,
  Card,
  Choice,
  type Column,
  Columns,
  Dialog,
  Empty,
  Facts,
  Field,
  Page,
  Switch,
  Table,
  To,
  type Tone,
} from "../../ui";
import { Act } from "../Act";
import { Waiting } from "../ledger/Governance";
import { toTransaction } from "../ledger/places";
import type { Items } from "./answers";
import { toPoint } from "./places";
import { TEXTS } from "./texts";

const TONES: Readonly<Record<string, Tone>> = {
  redeemed: "good",
  delivered: "info",
  minted: "info",
  reserved: "plain",
  burned: "bad",
};

export default function Vending() {
  const t = useTexts(TEXTS);
  const [search, setSearch] = useSearchParams();
  const point = search.get("point") ?? "";
  const [typed, setTyped] = useState(point);
  const isPan = /^\d{11,20}$/.test(point);
  const meter = useAsked<MeterRow>(`/meters/${part(point)}`, {}, { when: isPan });
  const found = isPan ? meter.data?.point : point;
  return (
    <Page title={t.vending} lead={t.vendingLead}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setSearch(typed.trim() ? { point: typed.trim() } : {});
        }}
      >
        <Card>
          <div className="flex flex-wrap items-end gap-3">
            <div className="min-w-0 grow">
              <Field
                type="search"
                label={t.pointOrPan}
                hint={t.pointOrPanHint}
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
                autoComplete="off"
              />
            </div>
            <Button type="submit" look="primary" icon="search">
              {t.show}
            </Button>
          </div>
        </Card>
      </form>
      {isPan && !meter.data && (
        <Card>
          <Answer of={meter}>{() => null}</Answer>
        </Card>
      )}
      {found && <OfPoint point={found} />}
      <Waiting contract="prepaid" />
    </Page>
  );
}

function OfPoint({ point }: { point: string }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const [blocking, setBlocking] = useState(false);
  const known = useAsked<PrepaidRow>(`/points/${part(point)}/prepaid`);
  const debts = useAsked<Items<DebtRow>>("/debts", { point });
  const tokens = usePages<TokenRow>("/tokens", { point, size: 20 });
  const columns: Column<TokenRow>[] = [
    {
      id: "credit",
      title: t.token,
      main: true,
      cell: (row) => <To href={toTransaction(row.transaction)}>{t.numbered(format.number(row.credit))}</To>,
    },
    { id: "status", title: t.status, cell: (row) => <Badge tone={TONES[row.status] ?? "plain"}>{row.status}</Badge> },
    { id: "kind", title: t.kind, cell: (row) => row.kind },
    {
      id: "energy",
      title: t.energy,
      figure: true,
      cell: (row) => (row.energy_mwh === null ? "–" : format.energy(row.energy_mwh)),
    },
    {
      id: "paid",
      title: t.total,
      figure: true,
      cell: (row) => (row.total_minor === null ? "–" : format.money(row.total_minor)),
    },
    {
      id: "time",
      title: t.reserved,
      figure: true,
      cell: (row) => (row.reserved_ms ? format.time(row.reserved_ms) : "–"),
    },
  ];
  return (
    <>
      <Columns>
        <Card
          title={t.point}
          action={isStaff(person.role) && <Button onClick={() => setBlocking(true)}>{t.blockButton}</Button>}
        >
          <Answer of={known}>
            {(row) => (
              <Facts
                of={[
                  [
                    t.point,
                    <To key="point" href={toPoint(point)}>
                      {point}
                    </To>,
                  ],
                  [t.supplyBlock, row.supply_blocked ? t.yes : t.no],
                  [t.vendingBlock, row.vending_blocked ? t.yes : t.no],
                  [t.sharingBlock, row.sharing_blocked ? t.yes : t.no],
                  [t.redeemed, format.energy(row.redeemed_mwh)],
                  [t.lowSaid, row.low_ms ? format.time(row.low_ms) : t.never],
                ]}
              />
            )}
          </Answer>
        </Card>
        <Card title={t.debts}>
          <Answer
            of={debts}
            empty={(answer) => answer.items.length === 0}
            whenEmpty={<Empty icon="check" title={t.noDebts} />}
          >
            {(answer) => (
              <ul className="grid gap-2">
                {answer.items.map((row) => (
                  <li key={`${row.owner} ${row.debt}`} className="flex justify-between gap-3">
                    <span className="min-w-0">{row.reason}</span>
                    <span>{format.money(row.amount_minor - row.paid_minor - row.written_off_minor)}</span>
                  </li>
                ))}
              </ul>
            )}
          </Answer>
        </Card>
      </Columns>
      <Card title={t.tokens} lead={t.tokensLead} flush>
        <Answer of={tokens} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="token" title={t.noTokens} />}>
          {(rows) => (
            <Table
              caption={t.tokens}
              columns={columns}
              rows={rows}
              keyOf={(row) => `${row.credit}`}
              onMore={tokens.more}
            />
          )}
        </Answer>
      </Card>
      {blocking && <Blocking point={point} onClose={() => setBlocking(false)} />}
    </>
  );
}

function Blocking({ point, onClose }: { point: string; onClose: () => void }) {
  const t = useTexts(TEXTS);
  const [kind, setKind] = useState("vending");
  const [on, setOn] = useState(true);
  const [reason, setReason] = useState("");
  const call = {
    contract: "prepaid",
    function: "propose_block",
    arguments: { point, kind, on, reason: reason.trim() },
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => open || onClose()}
      title={t.blockTitle}
      lead={t.secondPerson}
      actions={
        <Act look="primary" call={call} disabled={reason.trim() === ""} onDone={onClose}>
          {t.propose}
        </Act>
      }
    >
      <div className="grid gap-4">
        <Choice
          label={t.blockKind}
          value={kind}
          options={[
            ["vending", t.vendingBlock],
            ["sharing", t.sharingBlock],
            ["supply", t.supplyBlock],
          ]}
          onChange={(event) => setKind(event.target.value)}
        />
        <Switch label={on ? t.blockOn : t.blockOff} checked={on} onChange={setOn} />
        <Field label={t.reason} value={reason} maxLength={140} onChange={(event) => setReason(event.target.value)} />
      </div>
    </Dialog>
  );
}
