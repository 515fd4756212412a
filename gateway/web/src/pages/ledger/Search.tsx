/** Search by anything: what is typed is asked when one has stopped typing. */

import { useDeferredValue, useEffect, useState } from "react";
import { useAsked } from "../../api/asking";
import type { Found } from "../../api/rows";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, Empty, Field, To } from "../../ui";
import { toFound } from "./places";
import { TEXTS } from "./texts";

const PAUSE_MS = 250;

export function Search() {
  const t = useTexts(TEXTS);
  const [typed, setTyped] = useState("");
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setText(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const wanted = useDeferredValue(text);
  const asked = useAsked<{ items: readonly Found[] }>("/search", { q: wanted }, { when: wanted !== "" });
  return (
    <div className="grid grid-cols-1 gap-3">
      <Field
        type="search"
        label={t.searchLabel}
        hint={t.searchHint}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        autoComplete="off"
        spellCheck={false}
      />
      {wanted !== "" && (
        <Card title={t.found} flush>
          <Answer
            of={asked}
            empty={(answer) => answer.items.length === 0}
            whenEmpty={<Empty icon="search" title={t.nothingFound(wanted)} />}
          >
            {(answer) => (
              <ul className="divide-y divide-line">
                {answer.items.map((one) => (
                  <FoundLine key={`${one.kind} ${one.id} ${one.label}`} found={one} />
                ))}
              </ul>
            )}
          </Answer>
        </Card>
      )}
    </div>
  );
}

function FoundLine({ found }: { found: Found }) {
  const t = useTexts(TEXTS);
  const kinds: Readonly<Record<string, string>> = t.kinds;
  const href = toFound(found.kind, found.id);
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 sm:px-5">
      <Badge>{kinds[found.kind] ?? found.kind}</Badge>
      <span className="min-w-0 font-mono text-sm">{href ? <To href={href}>{found.label}</To> : found.label}</span>
    </li>
  );
}
