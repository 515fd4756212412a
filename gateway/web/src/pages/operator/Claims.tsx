/** Wallets that say that they speak for somebody: staff compare the code and decide. */

import { useAsked } from "../../api/asking";
import { useLive } from "../../api/LiveProvider";
import type { ClaimRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson, useSession } from "../../session/SessionProvider";
import { Answer, Card, Hash } from "../../ui";
import { Act } from "../Act";
import type { Items } from "./answers";
import { ClaimCode } from "./ClaimCode";
import { TEXTS } from "./texts";

export function Claims() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const { account } = useSession();
  const asked = useAsked<Items<ClaimRow>>("/claims");
  useLive("blocks", ["/claims"]);
  const decides = isStaff(person.role);
  if (asked.data?.items.length === 0) return null;
  return (
    <Card title={t.claims} lead={t.claimsLead}>
      <Answer of={asked}>
        {(answer) => (
          <ul className="grid gap-4">
            {answer.items.map((row) => (
              <li
                key={`${row.premises} ${row.wallet}`}
                className="flex flex-wrap items-center justify-between gap-3 border-line not-first:border-t not-first:pt-4"
              >
                <div className="min-w-0">
                  <p className="font-medium">{row.premises}</p>
                  <p className="text-sm text-ink-soft">
                    <Hash value={row.wallet} /> · {format.time(row.claimed_ms)}
                  </p>
                </div>
                {decides && account && <ClaimCode premises={row.premises} wallet={row.wallet} />}
                {decides && (
                  <div className="flex gap-2">
                    <Act
                      call={{
                        contract: "registry",
                        function: "approve_claim",
                        arguments: { premises: row.premises, wallet: row.wallet },
                      }}
                    >
                      {t.approve}
                    </Act>
                    <Act
                      look="plain"
                      call={{
                        contract: "registry",
                        function: "refuse_claim",
                        arguments: { premises: row.premises, wallet: row.wallet },
                      }}
                    >
                      {t.refuse}
                    </Act>
                  </div>
                )}
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Card>
  );
}
