// What people are called, where their utility has told the gateway: for themselves and its staff. Others see pseudonyms.

import { useAsked } from "./asking";

export interface Named {
  readonly customer: string;
  readonly name: string;
  readonly lines: readonly string[];
  /** Where the connection is, in words */
  readonly place: string;
}

/** The route names so many at once; the rest of a long list keeps its pseudonyms. */
const MOST = 100;

/** Of these customers; of none: one's own. */
export function useNames(customers: readonly string[], when = true): ReadonlyMap<string, Named> {
  const asked = useAsked<{ readonly items: readonly Named[] }>(
    "/names",
    { customers: customers.slice(-MOST).join(",") },
    { when },
  );
  return new Map(asked.data?.items.map((one) => [one.customer, one]));
}
