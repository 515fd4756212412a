/** All transactions, of a contract, or only those that were refused. */

import { useState } from "react";
import { useAsked, usePages } from "../../api/asking";
import type { PackageRow, TransactionRow } from "../../api/rows";
import { useTexts } from "../../i18n";
import { Answer, Card, Choice, Page, Switch } from "../../ui";
import { LEDGER } from "./places";
import { Transactions } from "./Transactions";
import { TEXTS } from "./texts";

/** Those that every ledger has from its first block on. */
const SYSTEM = ["evidence", "governance", "identity", "lifecycle"];

export function useContracts(): readonly (readonly [string, string])[] {
  const t = useTexts(TEXTS);
  const asked = useAsked<{ items: readonly { readonly row: PackageRow }[] }>("/contracts");
  const names = new Set([...SYSTEM, ...(asked.data?.items.map((one) => one.row.name) ?? [])]);
  return [["", t.allContracts], ...[...names].sort().map((name) => [name, name] as const)];
}

export default function TransactionList() {
  const t = useTexts(TEXTS);
  const [contract, setContract] = useState("");
  const [refused, setRefused] = useState(false);
  const contracts = useContracts();
  const asked = usePages<TransactionRow>("/transactions", { contract, refused: refused || undefined, size: 50 });
  return (
    <Page title={t.transactions} back={{ href: LEDGER, label: t.explorer }}>
      <Card>
        <div className="grid items-end gap-4 sm:grid-cols-2">
          <Choice
            label={t.filterContract}
            value={contract}
            options={contracts}
            onChange={(event) => setContract(event.target.value)}
          />
          <Switch label={t.onlyRefused} checked={refused} onChange={setRefused} />
        </div>
      </Card>
      <Card flush>
        <Answer of={asked} empty={(rows) => rows.length === 0} lines={8}>
          {(rows) => <Transactions rows={rows} onMore={asked.more} busy={asked.busy} />}
        </Answer>
      </Card>
    </Page>
  );
}
