/** The door: keys kept in this browser, a new wallet, one brought back, or staff by their organisation. */

import { useState } from "react";
import { useLocation } from "wouter";

import { PREFIX } from "../../api/client";
import { Refused } from "../../api/problem";
import { useTexts } from "../../i18n";
import { useSession } from "../../session/SessionProvider";
import { OtherLedger, OtherOrigin } from "../../session/session";
import { Button, ButtonLink, Card, Notice, Page } from "../../ui";
import type { Account } from "../../wallet/vault";
import { useLedger } from "../LedgerProvider";
import { APP } from "../texts";

export function Enter() {
  const t = useTexts(APP).enter;
  const { name } = useLedger();
  const { kept, enterAs, error: before } = useSession();
  const [, go] = useLocation();
  const [error, setError] = useState<unknown>(before);
  const [busy, setBusy] = useState("");
  const [refused, setRefused] = useState<Account | null>(null);
  const enter = async (account: Account) => {
    setBusy(account.identity);
    setRefused(null);
    try {
      await enterAs(account);
      go("/");
    } catch (failed) {
      setError(failed);
      setRefused(account);
    } finally {
      setBusy("");
    }
  };
  const notKnown = error instanceof Refused && error.code === "CREDENTIALS_INVALID";
  return (
    <Page title={t.title} lead={t.lead(name)}>
      <div className="grid max-w-xl grid-cols-1 gap-5">
        {Boolean(error) && (
          <Notice tone={notKnown ? "warn" : "bad"} icon="alert" title={t.failed}>
            <p>{notKnown ? t.unknown : <EntryError error={error} />}</p>
            {notKnown && refused && (
              <p className="mt-2">
                <ButtonLink href={`/welcome/new?account=${refused.identity}`}>{t.finish}</ButtonLink>
              </p>
            )}
          </Notice>
        )}
        {kept.length > 0 && (
          <Card title={t.kept}>
            <ul className="grid gap-2">
              {kept.map((account, at) => (
                <li key={account.identity}>
                  <Button
                    look={at === 0 ? "primary" : "quiet"}
                    icon="wallet"
                    className="w-full"
                    busy={busy === account.identity}
                    onClick={() => void enter(account)}
                  >
                    {t.enterAs(account.name)}
                  </Button>
                </li>
              ))}
            </ul>
          </Card>
        )}
        <Card>
          <div className="grid gap-5">
            <div>
              <ButtonLink look={kept.length ? "quiet" : "primary"} icon="wallet" href="/welcome/new" className="w-full">
                {t.create}
              </ButtonLink>
              <p className="mt-1.5 text-sm text-ink-soft">{t.createText}</p>
            </div>
            <div>
              <ButtonLink href="/welcome/recover" className="w-full">
                {t.recover}
              </ButtonLink>
              <p className="mt-1.5 text-sm text-ink-soft">{t.recoverText}</p>
            </div>
          </div>
        </Card>
        <p className="text-center text-sm">
          <a className="text-accent underline underline-offset-3" href={`${PREFIX}/session/staff`}>
            {t.staff}
          </a>
        </p>
      </div>
    </Page>
  );
}

export function EntryError({ error }: { error: unknown }) {
  const t = useTexts(APP).enter;
  if (error instanceof OtherLedger) return <>{t.otherLedger}</>;
  if (error instanceof OtherOrigin) return <>{t.otherOrigin}</>;
  if (error instanceof Refused && error.code === "CREDENTIALS_INVALID") return <>{t.unknown}</>;
  return <>{error instanceof Error ? error.message : String(error)}</>;
}
