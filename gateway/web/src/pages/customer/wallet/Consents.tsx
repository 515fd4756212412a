/** Who may read one's data, until when; letting somebody, and letting nobody any more. */

import { type FormEvent, useState } from "react";

import { usePages } from "../../../api/asking";
import { api } from "../../../api/client";
import type { ConsentRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { useSession } from "../../../session/SessionProvider";
import { Answer, Badge, Button, Card, type Column, Empty, Field, Hash, Switch, Table } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { useHomes } from "../homes";
import { CUSTOMER } from "../texts";

type Scope = "readings" | "bills" | "trades";

const SCOPES: readonly Scope[] = ["readings", "bills", "trades"];
const DAY_MS = 86_400_000;

export function Consents() {
  const t = useTexts(CUSTOMER);
  const format = useFormat();
  const confirm = useConfirm();
  const { point } = useHomes();
  const { account } = useSession();
  const asked = usePages<ConsentRow>("/consents");
  const names: Readonly<Record<string, string>> = t.scopes;
  const ended = (row: ConsentRow) => row.withdrawn || row.until_ms <= api.now();
  const withdraw = (row: ConsentRow) =>
    void confirm({
      contract: "registry",
      function: "withdraw_consent",
      arguments: { point: row.point, reader: row.reader },
    });
  const columns: Column<ConsentRow>[] = [
    { id: "reader", title: t.wallet.reader, main: true, cell: (row) => <Hash value={row.reader} /> },
    {
      id: "scopes",
      title: t.wallet.scopes,
      cell: (row) =>
        row.scopes
          .split(/[\s,]+/)
          .map((one) => names[one] ?? one)
          .join(", "),
    },
    {
      id: "until",
      title: t.wallet.until,
      cell: (row) => (ended(row) ? <Badge>{t.wallet.ended}</Badge> : format.date(row.until_ms)),
    },
    {
      id: "withdraw",
      title: "",
      cell: (row) =>
        !ended(row) &&
        account && (
          <Button look="plain" aria-label={t.wallet.withdrawOf(row.reader.slice(0, 8))} onClick={() => withdraw(row)}>
            {t.wallet.withdraw}
          </Button>
        ),
    },
  ];
  return (
    <>
      <Card title={t.wallet.consents} flush>
        <Answer
          of={asked}
          empty={(rows) => rows.length === 0}
          whenEmpty={<Empty icon="shield" title={t.wallet.consentsEmpty} />}
        >
          {(rows) => (
            <Table
              caption={t.wallet.consents}
              columns={columns}
              rows={rows}
              keyOf={(row) => `${row.point} ${row.reader}`}
            />
          )}
        </Answer>
      </Card>
      {point && account && <Give point={point.point} />}
    </>
  );
}

function Give({ point }: { point: string }) {
  const t = useTexts(CUSTOMER);
  const confirm = useConfirm();
  const [reader, setReader] = useState("");
  const [chosen, setChosen] = useState<readonly Scope[]>(["readings"]);
  const [days, setDays] = useState("365");
  const [looked, setLooked] = useState(false);
  const right = /^[0-9a-f]{64}$/.test(reader.trim());
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    if (!right || chosen.length === 0 || !/^[1-9]\d{0,3}$/.test(days)) return;
    await confirm({
      contract: "registry",
      function: "consent",
      arguments: { point, reader: reader.trim(), scopes: chosen, until_ms: api.now() + Number(days) * DAY_MS },
    });
  };
  return (
    <Card title={t.wallet.give}>
      <form className="grid max-w-xl gap-4" onSubmit={submit} noValidate>
        <Field
          label={t.wallet.reader}
          hint={t.wallet.readerHint}
          error={looked && !right ? t.wallet.toWrong : undefined}
          value={reader}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setReader(event.target.value)}
        />
        {SCOPES.map((scope) => (
          <Switch
            key={scope}
            label={t.scopes[scope]}
            checked={chosen.includes(scope)}
            onChange={(on) => setChosen(SCOPES.filter((one) => (one === scope ? on : chosen.includes(one))))}
          />
        ))}
        <Field
          label={t.wallet.days}
          inputMode="numeric"
          value={days}
          onChange={(event) => setDays(event.target.value)}
        />
        <Button type="submit" look="primary">
          {t.wallet.giveGo}
        </Button>
      </form>
    </Card>
  );
}
