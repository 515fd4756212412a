/** The document that `ledgernode backtest --out FOLDER` writes (`backtest.json`), read and checked. */

export interface Found {
  readonly mechanism: string;
  readonly is_market: boolean;
  readonly bill_minor: number;
  readonly saving_micro: number | null;
  readonly volume_wh: number;
  readonly trades: number;
  readonly price_micro: number | null;
  readonly buyer_price_micro: number | null;
  readonly surplus_minor: number;
  readonly self_sufficiency_micro: number | null;
  readonly self_consumption_micro: number | null;
  readonly jain_micro: number | null;
  readonly gini_micro: number | null;
  readonly conserved: boolean;
}

export interface Study {
  readonly houses: number;
  readonly deliveries: number;
  readonly step_minutes: number;
  readonly begin_ms: number;
  readonly seed: number;
  readonly currency: string;
  readonly digits: number;
  readonly mechanisms: readonly Found[];
}

export class NoStudy extends Error {}

const NUMBERS = ["houses", "deliveries", "step_minutes", "begin_ms", "seed", "digits"] as const;

export function readStudy(text: string): Study {
  let found: Partial<Study> | null;
  try {
    found = JSON.parse(text) as Partial<Study> | null;
  } catch {
    throw new NoStudy("this is no JSON");
  }
  const whole = NUMBERS.every((name) => Number.isSafeInteger(found?.[name]));
  const all =
    Array.isArray(found?.mechanisms) &&
    found.mechanisms.every(
      (one: Partial<Found> | null) => typeof one?.mechanism === "string" && Number.isSafeInteger(one.bill_minor),
    );
  if (!found || !whole || !all || typeof found.currency !== "string") throw new NoStudy("this is no back test");
  return found as Study;
}
