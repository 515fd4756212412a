/**
 * Texts by language. The English ones are the pattern: a language that lacks one, has one too many, or takes other
 * values does not compile, and so is not built. An area of pages keeps its texts beside them, and brings them along
 * when it is loaded:
 *
 *     export const TEXTS = texts({ height: "Height", of: (n: string) => `of ${n}` }, { height: "Höhe", of: (n) => … });
 *     const t = useTexts(TEXTS);
 */

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

export type Pattern = { readonly [key: string]: string | ((...values: never[]) => string) | Pattern };

/** The same keys; where English takes values, the same values. */
export type Same<P> = {
  readonly [K in keyof P]: P[K] extends string
    ? string
    : P[K] extends (...values: infer V) => string
      ? (...values: V) => string
      : Same<P[K]>;
};

export type Texts<P> = { readonly [L in Language]: Same<P> };

export function texts<const P extends Pattern>(en: P, de: Same<P>): Texts<P> {
  return { en: en as unknown as Same<P>, de };
}

/** The first of these languages (as browsers name them) that we speak. */
export function spoken(wanted: readonly string[]): Language {
  for (const one of wanted) {
    const language = one.slice(0, 2).toLowerCase();
    if (language in LANGUAGES) return language as Language;
  }
  return "en";
}

/** The browser's own region where it speaks this language, for its dates and numbers. */
export function localeOf(language: Language, wanted: readonly string[]): string {
  return wanted.find((one) => one.toLowerCase().startsWith(language)) ?? (language === "en" ? "en-GB" : "de-DE");
}
