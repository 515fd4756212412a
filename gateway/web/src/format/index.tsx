/** `const format = useFormat()`: the language's way of writing the ledger's figures, wherever a page shows one. */

import { createContext, type ReactNode, useContext, useMemo } from "react";
import { useLanguage } from "../i18n";
import { BARE, type Format, type Ground, makeFormat } from "./format";

export type { Whole } from "./decimal";
export type { Format, Ground } from "./format";
export type { Zone } from "./zone";

const Context = createContext<Format>(makeFormat(BARE));

/** Currency, digits and zone as the ledger says them (`GET /ledger`); the language is the person's. */
export function FormatProvider({ ground, children }: { ground: Omit<Ground, "language">; children: ReactNode }) {
  const { locale } = useLanguage();
  const { currency, digits, zone } = ground;
  const format = useMemo(
    () => makeFormat({ language: locale, currency, digits, zone }),
    [locale, currency, digits, zone],
  );
  return <Context value={format}>{children}</Context>;
}

export function useFormat(): Format {
  return useContext(Context);
}
