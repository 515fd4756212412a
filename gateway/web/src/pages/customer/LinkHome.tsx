/** A wallet without a home: the code of the bill, then the utility's word. */

import { type FormEvent, useState } from "react";

import { useAsked } from "../../api/asking";
import type { Page as Rows } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { ClaimRow } from "../../api/rows";
import { useTexts } from "../../i18n";
import { sha256, toHex, utf8 } from "../../ledger/bytes";
import { usePerson } from "../../session/SessionProvider";
import { Button, Card, Field, Notice, Page } from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { CUSTOMER } from "./texts";

const EVERY_MS = 5_000;
/** Whatever became of them: without a status only open ones are listed. */
const EVERY_CLAIM = "/claims?status=";

/** What the utility compares: it knows the code, the ledger never does. */
export async function proofOfCode(code: string, wallet: string): Promise<string> {
  return toHex(await sha256(utf8(`${code}${wallet}`)));
}

export function LinkHome({ title }: { title: string }) {
  const t = useTexts(CUSTOMER);
  const { identity } = usePerson();
  const confirm = useConfirm();
  useLive("notices", ["/claims", "/points"]);
  const claims = useAsked<Rows<ClaimRow>>(EVERY_CLAIM, {}, { everyMs: EVERY_MS });
  useAsked("/points", { size: 100 }, { everyMs: EVERY_MS });
  const mine = (claims.data?.items ?? []).filter((one) => one.wallet === identity);
  const waiting = mine.find((one) => one.status === "open");
  const refused = mine.findLast((one) => one.status === "refused");
  const [premises, setPremises] = useState("");
  const [code, setCode] = useState("");
  const [missing, setMissing] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setMissing(!premises.trim() || !code.trim());
    if (!premises.trim() || !code.trim()) return;
    const code_hash = await proofOfCode(code.trim(), identity);
    await confirm({ contract: "registry", function: "claim", arguments: { premises: premises.trim(), code_hash } });
  };
  return (
    <Page title={title} lead={t.noPoint}>
      <div className="grid max-w-xl grid-cols-1 gap-5">
        {waiting && (
          <Notice title={t.link.waitingTitle} icon="time">
            {t.link.waiting(waiting.premises)}
          </Notice>
        )}
        {!waiting && refused && <Notice tone="warn" icon="alert" title={t.link.refused(refused.premises)} />}
        {!waiting && (
          <Card title={t.link.title} lead={t.link.lead}>
            <form className="grid gap-4" onSubmit={submit} noValidate>
              <Field
                label={t.link.premises}
                hint={t.link.premisesHint}
                error={missing && !premises.trim() ? t.link.missing : undefined}
                value={premises}
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                onChange={(event) => setPremises(event.target.value)}
              />
              <Field
                label={t.link.code}
                hint={t.link.codeHint}
                error={missing && !code.trim() ? t.link.missing : undefined}
                value={code}
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                onChange={(event) => setCode(event.target.value)}
              />
              <Button type="submit" look="primary">
                {t.link.go}
              </Button>
            </form>
          </Card>
        )}
      </div>
    </Page>
  );
}
