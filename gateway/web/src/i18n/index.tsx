/** The person's language: the one chosen here, or the first of the browser's that we speak. */

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { LANGUAGES, type Language, localeOf, type Same, spoken, type Texts } from "./texts";

export { COMMON } from "./common";
export { LANGUAGES, type Language, texts } from "./texts";

const KEPT = "language";

interface Spoken {
  readonly language: Language;
  /** For `Intl`: with the browser's region where it has one */
  readonly locale: string;
  choose(language: Language): void;
}

const Context = createContext<Spoken>({ language: "en", locale: "en-GB", choose: () => undefined });

function remembered(): Language {
  const kept = localStorage.getItem(KEPT);
  return kept !== null && kept in LANGUAGES ? (kept as Language) : spoken(navigator.languages);
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(remembered);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const value = useMemo<Spoken>(
    () => ({
      language,
      locale: localeOf(language, navigator.languages),
      choose(next) {
        localStorage.setItem(KEPT, next);
        setLanguage(next);
      },
    }),
    [language],
  );
  return <Context value={value}>{children}</Context>;
}

export function useLanguage(): Spoken {
  return useContext(Context);
}

export function useTexts<P>(of: Texts<P>): Same<P> {
  return of[useContext(Context).language];
}
