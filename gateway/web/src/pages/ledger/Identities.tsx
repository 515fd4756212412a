/** Who may sign. */

import { useState } from "react";
import { usePages } from "../../api/asking";
import type { IdentityRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, Choice, type Column, Hash, Page, Table, To, type Tone } from "../../ui";
import { LEDGER, toIdentity } from "./places";
import { TEXTS } from "./texts";

const ROLES = ["admin", "operator", "regulator", "validator", "gateway", "meter", "customer"];

export function statusTone(status: string): Tone {
  return status === "active" ? "good" : status === "suspended" ? "warn" : "bad";
}

export default function Identities() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const [role, setRole] = useState("");
  const asked = usePages<IdentityRow>("/identities", { role, size: 50 });
  const columns: Column<IdentityRow>[] = [
    {
      id: "name",
      title: t.name,
      main: true,
      cell: (row) => <To href={toIdentity(row.identity)}>{row.name || row.identity.slice(0, 12)}</To>,
    },
    { id: "organisation", title: t.organisation, cell: (row) => row.organisation },
    { id: "role", title: t.role, cell: (row) => row.role },
    { id: "status", title: t.status, cell: (row) => <Badge tone={statusTone(row.status)}>{row.status}</Badge> },
    { id: "id", title: t.identity, cell: (row) => <Hash value={row.identity} /> },
    { id: "registered", title: t.registered, figure: true, cell: (row) => format.date(row.registered_ms) },
  ];
  return (
    <Page title={t.identities} lead={t.identitiesLead} back={{ href: LEDGER, label: t.explorer }}>
      <Card>
        <Choice
          label={t.role}
          value={role}
          options={[["", t.allRoles], ...ROLES.map((one) => [one, one] as const)]}
          onChange={(event) => setRole(event.target.value)}
        />
      </Card>
      <Card flush>
        <Answer of={asked} empty={(rows) => rows.length === 0} lines={8}>
          {(rows) => (
            <Table
              caption={t.identities}
              columns={columns}
              rows={rows}
              keyOf={(row) => row.identity}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
    </Page>
  );
}
