/**
 * A new wallet: a name, twelve words shown once, three of them asked for, and the request that the utility needs to put
 * the key on the ledger. The words are in this page's memory only, and gone with it.
 */

import { type FormEvent, useEffect, useMemo, useState } from "react";
import { useLocation, useSearchParams } from "wouter";

import { api } from "../../api/client";
import { Refused } from "../../api/problem";
import { useTexts } from "../../i18n";
import { requestFor } from "../../ledger/request";
import { useSession } from "../../session/SessionProvider";
import { Button, Card, Choice, Field, Notice, Page, TextField } from "../../ui";
import { type Account, keep } from "../../wallet/vault";
import { useLedger } from "../LedgerProvider";
import { APP } from "../texts";
import { EntryError } from "./Enter";

const STEPS = 4;
const ASKED = 3;
const LOOK_MS = 5_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function SignUp() {
  const t = useTexts(APP);
  const { kept } = useSession();
  const [params] = useSearchParams();
  const known = kept.find((one) => one.identity === params.get("account"));
  const [step, setStep] = useState(1);
  const [name, setName] = useState("");
  const [phrase, setPhrase] = useState("");
  const [made, setMade] = useState<Account | null>(null);
  const account = made ?? known ?? null;
  const at = account ? STEPS : step;

  const make = async (called: string) => {
    const { newPhrase } = await import("../../wallet/phrase");
    setName(called);
    setPhrase(newPhrase());
    setStep(2);
  };
  const checked = async () => {
    const { keyFromPhrase } = await import("../../wallet/phrase");
    setMade(await keep(await keyFromPhrase(phrase), name, api.now()));
    setPhrase("");
  };
  return (
    <Page
      title={t.signUp.title}
      lead={at < STEPS ? t.signUp.lead : undefined}
      back={{ href: "/", label: t.enter.title }}
    >
      <div className="grid max-w-xl grid-cols-1 gap-4">
        <p className="text-sm text-ink-soft" aria-live="polite">
          {t.signUp.step(String(at), String(STEPS))}
        </p>
        {at === 1 && <Naming onMake={make} />}
        {at === 2 && <Written phrase={phrase} onDone={() => setStep(3)} />}
        {at === 3 && <Checking phrase={phrase} onBack={() => setStep(2)} onRight={checked} />}
        {account && <HandIn account={account} />}
      </div>
    </Page>
  );
}

function Naming({ onMake }: { onMake(name: string): Promise<void> }) {
  const t = useTexts(APP).signUp;
  const [name, setName] = useState("");
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setMissing(true);
    setBusy(true);
    await onMake(name.trim());
  };
  return (
    <Card>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Field
          label={t.name}
          hint={t.nameHint}
          error={missing && !name.trim() ? t.nameMissing : undefined}
          value={name}
          maxLength={40}
          autoComplete="off"
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" look="primary" busy={busy}>
          {t.make}
        </Button>
      </form>
    </Card>
  );
}

function Written({ phrase, onDone }: { phrase: string; onDone(): void }) {
  const t = useTexts(APP).signUp;
  return (
    <Card title={t.phraseTitle} lead={t.phraseText}>
      <ol className="mb-5 grid grid-cols-2 gap-2 sm:grid-cols-3">
        {phrase.split(" ").map((word, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a word is its place
          <li key={at} className="flex items-baseline gap-2 rounded-lg bg-sunken px-3 py-2">
            <span className="w-5 text-end text-sm text-ink-soft tabular-nums">{at + 1}</span>
            <span className="font-medium">{word}</span>
          </li>
        ))}
      </ol>
      <Button look="primary" className="w-full" onClick={onDone}>
        {t.written}
      </Button>
    </Card>
  );
}

function Checking({ phrase, onBack, onRight }: { phrase: string; onBack(): void; onRight(): Promise<void> }) {
  const t = useTexts(APP).signUp;
  const places = useMemo(asked, []);
  const [typed, setTyped] = useState<readonly string[]>(places.map(() => ""));
  const [wrong, setWrong] = useState(false);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const words = phrase.split(" ");
    const right = places.every((place, at) => typed[at]?.trim().toLowerCase() === words[place]);
    setWrong(!right);
    if (!right) return;
    setBusy(true);
    await onRight();
  };
  return (
    <Card title={t.checkTitle} lead={t.checkText}>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        {places.map((place, at) => (
          <Field
            key={place}
            label={t.word(String(place + 1))}
            value={typed[at] ?? ""}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            onChange={(event) => setTyped(typed.map((one, of) => (of === at ? event.target.value : one)))}
          />
        ))}
        {wrong && (
          <p role="alert" className="text-sm text-bad">
            {t.wrong}
          </p>
        )}
        <Button type="submit" look="primary" busy={busy}>
          {t.check}
        </Button>
        <Button look="plain" onClick={onBack}>
          {t.lookAgain}
        </Button>
      </form>
    </Card>
  );
}

/** Some of the twelve places, in order. */
function asked(): number[] {
  const left = Array.from({ length: 12 }, (_, at) => at);
  const random = crypto.getRandomValues(new Uint32Array(ASKED));
  return [...random].flatMap((one) => left.splice(one % left.length, 1)).sort((one, other) => one - other);
}

function HandIn({ account }: { account: Account }) {
  const t = useTexts(APP).signUp;
  const { ground } = useLedger();
  const { enterAs } = useSession();
  const [, go] = useLocation();
  const utilities = Object.keys(ground?.zones ?? {});
  const [organisation, setOrganisation] = useState(utilities[0] ?? "");
  const [name, setName] = useState(`customer-${account.identity.slice(0, 8)}`);
  const [request, setRequest] = useState("");
  const [error, setError] = useState<unknown>(null);
  const valid = NAME.test(name);
  useEffect(() => {
    if (!valid || !organisation) return setRequest("");
    let here = true;
    const applicant = { organisation, role: "customer", name };
    void requestFor(account.privateKey, account.publicKey, applicant).then((made) => here && setRequest(made));
    return () => {
      here = false;
    };
  }, [account, organisation, name, valid]);

  const look = useMemo(
    () => async () => {
      try {
        await enterAs(account);
        go("/");
      } catch (failed) {
        const waits = failed instanceof Refused && failed.code === "CREDENTIALS_INVALID";
        setError(waits ? null : failed);
      }
    },
    [account, enterAs, go],
  );
  useEffect(() => {
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => clearInterval(timer);
  }, [look]);

  return (
    <Card title={t.handTitle} lead={t.handText}>
      <div className="grid gap-4">
        {utilities.length > 1 && (
          <Choice
            label={t.utility}
            value={organisation}
            options={utilities.map((one) => [one, one] as const)}
            onChange={(event) => setOrganisation(event.target.value)}
          />
        )}
        <Field
          label={t.customerName}
          hint={t.customerNameHint}
          error={valid ? undefined : t.customerNameWrong}
          value={name}
          maxLength={64}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setName(event.target.value)}
        />
        <TextField label={t.request} value={request} readOnly rows={6} className="font-mono text-xs" />
        <a
          className="inline-flex min-h-11 items-center justify-center rounded-lg bg-accent px-4 py-2 font-medium text-on-accent hover:bg-accent-strong"
          download={`${name}.request.pem`}
          href={`data:application/x-pem-file,${encodeURIComponent(request)}`}
        >
          {t.download}
        </a>
        <Notice title={t.waiting}>{t.later}</Notice>
        {Boolean(error) && (
          <Notice tone="bad" icon="alert" title={String(error instanceof Refused ? error.code : "")}>
            <EntryError error={error} />
          </Notice>
        )}
        <Button onClick={() => void look()}>{t.checkNow}</Button>
      </div>
    </Card>
  );
}
