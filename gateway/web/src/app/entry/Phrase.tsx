/** Twelve words: shown once, and then some of them asked for. They are in the page's memory only, and gone with it. */

import { type FormEvent, useMemo, useState } from "react";

import { useTexts } from "../../i18n";
import { Button, Card, Field } from "../../ui";
import { APP } from "../texts";

const ASKED = 3;

export function Written({ phrase, onDone }: { phrase: string; onDone(): void }) {
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

export function Checking({ phrase, onBack, onRight }: { phrase: string; onBack(): void; onRight(): Promise<void> }) {
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
