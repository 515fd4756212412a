/** A wallet that was made elsewhere: its words, and the key that they stand for. */

import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";

import { api } from "../../api/client";
import { Refused } from "../../api/problem";
import { useTexts } from "../../i18n";
import { useSession } from "../../session/SessionProvider";
import { Button, Card, Field, Notice, Page, TextField } from "../../ui";
import { keep } from "../../wallet/vault";
import { APP } from "../texts";
import { EntryError } from "./Enter";

export function Recover() {
  const t = useTexts(APP);
  const { enterAs, reload } = useSession();
  const [, go] = useLocation();
  const [phrase, setPhrase] = useState("");
  const [name, setName] = useState("");
  const [number, setNumber] = useState("0");
  const [wrong, setWrong] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    setError(null);
    const { keyFromPhrase, PhraseInvalid } = await import("../../wallet/phrase");
    try {
      const account = await keep(await keyFromPhrase(phrase, Number(number)), name.trim() || t.pages.wallet, api.now());
      setPhrase("");
      try {
        await enterAs(account);
        go("/");
      } catch (refused) {
        await reload();
        if (refused instanceof Refused && refused.code === "CREDENTIALS_INVALID") {
          go(`/welcome/new?account=${account.identity}`);
        } else setError(refused);
      }
    } catch (invalid) {
      if (!(invalid instanceof PhraseInvalid)) throw invalid;
      const count = phrase.split(/\s+/).filter(Boolean).length;
      if (invalid.unknown.length) setWrong(t.recover.unknownWords(invalid.unknown.join(", ")));
      else setWrong(count === 12 ? t.recover.invalid : t.recover.length(String(count)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page title={t.recover.title} lead={t.recover.lead} back={{ href: "/", label: t.enter.title }}>
      <div className="grid max-w-xl grid-cols-1 gap-4">
        {Boolean(error) && (
          <Notice tone="bad" icon="alert" title={t.enter.failed}>
            <EntryError error={error} />
          </Notice>
        )}
        <Card>
          <form className="grid gap-4" onSubmit={submit} noValidate>
            <TextField
              label={t.recover.phrase}
              hint={t.recover.phraseHint}
              error={wrong || undefined}
              value={phrase}
              rows={3}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              onChange={(event) => setPhrase(event.target.value)}
            />
            <Field
              label={t.signUp.name}
              hint={t.signUp.nameHint}
              value={name}
              maxLength={40}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
            <Field
              label={t.recover.account}
              hint={t.recover.accountHint}
              type="number"
              min={0}
              max={999}
              value={number}
              onChange={(event) => setNumber(event.target.value)}
            />
            <Button type="submit" look="primary" busy={busy} disabled={!phrase.trim()}>
              {t.recover.go}
            </Button>
          </form>
        </Card>
      </div>
    </Page>
  );
}
