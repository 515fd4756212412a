/** One identity: its organisation and role, its keys, what it has signed. */

import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import type { IdentityRow, KeyRow, TransactionRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, Facts, Hash, Page, To } from "../../ui";
import { statusTone } from "./Identities";
import { LEDGER, toTransaction } from "./places";
import { Transactions } from "./Transactions";
import { TEXTS } from "./texts";

interface IdentityShown {
  readonly row: IdentityRow;
  /** Those that it has and had; none where its name is withheld */
  readonly keys: readonly KeyRow[];
}

export default function Identity({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const asked = useAsked<IdentityShown>(`/identities/${part(params.id)}`);
  const signed = usePages<TransactionRow>("/transactions", { creator: params.id, size: 20 });
  return (
    <Page title={asked.data?.row.name || t.identity} back={{ href: `${LEDGER}/identities`, label: t.identities }}>
      <Card>
        <Answer of={asked}>
          {({ row, keys }) => (
            <Facts
              of={[
                [
                  t.status,
                  <Badge key="status" tone={statusTone(row.status)}>
                    {row.status}
                  </Badge>,
                ],
                [t.organisation, row.organisation],
                [t.role, row.role],
                [t.identity, <Hash key="id" value={row.identity} length={12} />],
                row.public_key ? [t.publicKey, <Hash key="key" value={row.public_key} length={12} />] : null,
                [
                  t.registered,
                  <To key="registered" href={toTransaction(row.transaction)}>
                    {format.time(row.registered_ms)}
                  </To>,
                ],
                keys.length > 1
                  ? [
                      t.keys,
                      <ul key="keys" className="grid gap-1">
                        {keys.map((key) => (
                          <li key={key.public_key}>
                            <Hash value={key.public_key} />{" "}
                            <span className="text-sm text-ink-soft">
                              {key.overlap_until_ms ? t.keyUntil(format.time(key.overlap_until_ms)) : t.keyNow}
                            </span>
                          </li>
                        ))}
                      </ul>,
                    ]
                  : null,
              ]}
            />
          )}
        </Answer>
      </Card>
      <Card title={t.signedByIt} flush>
        <Answer of={signed} empty={(rows) => rows.length === 0}>
          {(rows) => <Transactions rows={rows} onMore={signed.more} busy={signed.busy} />}
        </Answer>
      </Card>
    </Page>
  );
}
