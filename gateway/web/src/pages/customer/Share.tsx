/** Units from one's own meter to another's, and what became of them. */

import { type FormEvent, useState } from "react";

import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { PrepaidRow, ShareRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import {
  Answer,
  Badge,
  Button,
  Card,
  type Column,
  Columns,
  Empty,
  Field,
  Figure,
  Hash,
  Notice,
  Page,
  Table,
  To,
  type Tone,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { type Homes, panOf, useHomes, usePoint, WhichHome } from "./homes";
import { LinkHome } from "./LinkHome";
import { isPan, newRequest } from "./money";
import { NotPrepaid } from "./Tokens";
import { CUSTOMER } from "./texts";

/** A token carries steps of a tenth of a kWh. */
const STEP_MWH = 100_000n;

export function Share() {
  const t = useTexts(CUSTOMER);
  const homes = useHomes();
  return (
    <Answer of={homes.asked} lines={6} title={t.share.title}>
      {() => {
        if (!homes.point) return <LinkHome title={t.share.title} />;
        if (!homes.point.prepaid) return <NotPrepaid homes={homes} />;
        return <Sharing homes={homes} point={homes.point.point} />;
      }}
    </Answer>
  );
}

function Sharing({ homes, point }: { homes: Homes; point: string }) {
  const t = useTexts(CUSTOMER);
  const format = useFormat();
  useLive(`points:${point}`, ["/shares", "/tokens", `/points/${part(point)}`]);
  const shown = usePoint(point);
  const own = panOf(shown.data);
  const left = useAsked<PrepaidRow>(`/points/${part(point)}/prepaid`).data?.balance_mwh ?? undefined;
  return (
    <Page title={t.share.title} lead={t.share.lead}>
      <WhichHome homes={homes} />
      <Columns of={2}>
        <Send point={point} own={own} left={left} />
        <div className="grid content-start gap-5">
          <Figure label={t.tokens.left} tone="energy" value={left === undefined ? "–" : format.energy(left)} />
          {own && (
            <Card title={t.share.mine} lead={t.share.mineHint}>
              <Hash value={own} length={18} />
            </Card>
          )}
        </div>
      </Columns>
      <Shared point={point} />
    </Page>
  );
}

function Send({ point, own, left }: { point: string; own: string; left: number | undefined }) {
  const t = useTexts(CUSTOMER).share;
  const format = useFormat();
  const confirm = useConfirm();
  const [pan, setPan] = useState("");
  const [typed, setTyped] = useState("");
  const [looked, setLooked] = useState(false);
  const [done, setDone] = useState(false);
  const digits = pan.replace(/\s/g, "");
  const energy = format.readEnergy(typed);
  const panWrong = !isPan(digits) ? t.panWrong : digits === own ? t.panOwn : undefined;
  const fits = energy !== null && energy > 0n && energy % STEP_MWH === 0n;
  const tooMuch = fits && left !== undefined && energy > BigInt(left);
  const energyWrong = !fits ? t.energyWrong : tooMuch ? t.tooMuch : undefined;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    if (panWrong || energyWrong || energy === null) return;
    const outcome = await confirm({
      contract: "prepaid",
      function: "request_share",
      arguments: { point, recipient_pan: digits, energy_mwh: Number(energy), request: newRequest() },
    });
    if (outcome && (outcome.code === "OK" || outcome.code === "")) {
      setPan("");
      setTyped("");
      setLooked(false);
      setDone(true);
    }
  };
  return (
    <Card>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Field
          label={t.pan}
          hint={t.panHint}
          error={looked ? panWrong : undefined}
          inputMode="numeric"
          value={pan}
          maxLength={24}
          autoComplete="off"
          onChange={(event) => {
            setPan(event.target.value);
            setDone(false);
          }}
        />
        <Field
          label={t.energy}
          unit="kWh"
          inputMode="decimal"
          error={looked ? energyWrong : undefined}
          value={typed}
          autoComplete="off"
          onChange={(event) => setTyped(event.target.value)}
        />
        {done && <Notice tone="good" icon="check" title={t.asked} />}
        <Button type="submit" look="primary" icon="share">
          {t.go}
        </Button>
      </form>
    </Card>
  );
}

const TONES: Readonly<Record<string, Tone>> = {
  requested: "info",
  pending: "info",
  debited: "accent",
  credited: "good",
  returned: "warn",
  timed_out: "warn",
};

function Shared({ point }: { point: string }) {
  const t = useTexts(CUSTOMER).share;
  const format = useFormat();
  const asked = usePages<ShareRow>("/shares", { point, size: 25 });
  const statuses: Readonly<Record<string, string>> = t.statuses;
  const columns: Column<ShareRow>[] = [
    {
      id: "what",
      title: "",
      main: true,
      cell: (row) => (
        <To href={`/ledger/transactions/${row.transaction}`}>
          {row.sender === point ? t.sent : t.got},{" "}
          {row.requested_ms > 0 ? format.time(row.requested_ms) : `#${row.share}`}
        </To>
      ),
    },
    { id: "energy", title: t.energy, figure: true, cell: (row) => format.energy(row.energy_mwh) },
    { id: "with", title: t.with, cell: (row) => (row.sender === point ? row.recipient_pan : row.sender) },
    {
      id: "status",
      title: "",
      cell: (row) => <Badge tone={TONES[row.status] ?? "plain"}>{statuses[row.status] ?? row.status}</Badge>,
    },
  ];
  return (
    <Card title={t.list} flush>
      <Answer
        of={asked}
        empty={(rows) => rows.length === 0}
        whenEmpty={<Empty icon="share" title={t.emptyTitle} text={t.emptyText} />}
      >
        {(rows) => (
          <Table
            caption={t.list}
            columns={columns}
            rows={rows}
            keyOf={(row) => String(row.share)}
            onMore={asked.more}
            busy={asked.busy}
          />
        )}
      </Answer>
    </Card>
  );
}
