/** What must hold of rows that the ledger tells: pure, each answers how many it looked at and which do not hold. */

import type { AccountRow, BlockRow, HeldRow, IntervalRow, InvoiceRow } from "../../api/rows";

/** `GET /currency`; what accounts hold is told to who may see all of them. */
export interface Currency {
  readonly code: string;
  readonly supply_minor: number;
  readonly held: HeldRow | null;
}

export interface Checked {
  readonly looked: number;
  /** Where it does not hold: a height, `feeder time`, an id */
  readonly broken: readonly string[];
}

/** Newest first, as they come: heights without a gap, times strictly rising. */
export function blocksFollow(rows: readonly BlockRow[]): Checked {
  const broken = rows.slice(1).flatMap((row, at) => {
    const next = rows[at];
    return next && (next.height !== row.height + 1 || next.time_ms <= row.time_ms) ? [`${next.height}`] : [];
  });
  return { looked: rows.length, broken };
}

/** `quorums` by epoch; the first block is the founders' own, and needs no signature. */
export function blocksAreSigned(rows: readonly BlockRow[], quorums: ReadonlyMap<number, number>): Checked {
  const known = rows.filter((row) => row.height > 0 && quorums.has(row.epoch));
  const broken = known.filter((row) => row.signatures < (quorums.get(row.epoch) ?? 0)).map((row) => `${row.height}`);
  return { looked: known.length, broken };
}

/** Sums of a report that must agree to the last mWh. Where one part is unknown there is nothing to say. */
function sums(
  rows: readonly IntervalRow[],
  of: (row: IntervalRow) => readonly [(number | null)[], (number | null)[]],
  holds = (left: bigint, right: bigint) => left === right,
): Checked {
  let looked = 0;
  const broken: string[] = [];
  for (const row of rows) {
    const [left, right] = of(row);
    if (left.includes(null) || right.includes(null)) continue;
    looked += 1;
    const total = (parts: (number | null)[]) => parts.reduce<bigint>((sum, part) => sum + BigInt(part ?? 0), 0n);
    if (!holds(total(left), total(right))) broken.push(`${row.feeder} ${new Date(row.interval_ms).toISOString()}`);
  }
  return { looked, broken };
}

export const energyIsConserved = (rows: readonly IntervalRow[]): Checked =>
  sums(rows, (row) => [
    [row.generation_mwh, row.supply_mwh],
    [row.consumption_mwh, row.loss_mwh],
  ]);

/** What houses use and do not make is missing on the feeder; what they make and do not use is its surplus. */
export const consumptionIsAllocated = (rows: readonly IntervalRow[]): Checked =>
  sums(rows, (row) => [
    [row.consumption_mwh, row.surplus_mwh],
    [row.generation_mwh, row.deficit_mwh],
  ]);

/** All that was made is used by who made it or is in the pool, with what batteries have given beyond it. */
export const generationIsAllocated = (rows: readonly IntervalRow[]): Checked =>
  sums(
    rows,
    (row) => [[row.self_mwh, row.pool_mwh], [row.generation_mwh]],
    (left, right) => left >= right,
  );

/** All accounts together hold what was minted less what was burned. */
export function moneyIsConserved(found: Currency): Checked {
  if (!found.held) return { looked: 0, broken: [] };
  const held = BigInt(found.held.available_minor) + BigInt(found.held.escrow_minor);
  return { looked: found.held.accounts, broken: held === BigInt(found.supply_minor) ? [] : [found.code] };
}

export function accountsAreCovered(rows: readonly AccountRow[]): Checked {
  const broken = rows.filter((row) => row.available_minor < 0 || row.escrow_minor < 0).map((row) => row.account);
  return { looked: rows.length, broken };
}

export function billsAreNotOverpaid(rows: readonly InvoiceRow[]): Checked {
  const due = rows.filter((row) => row.total_minor >= 0);
  return {
    looked: due.length,
    broken: due.filter((row) => row.received_minor > row.total_minor).map((row) => row.invoice),
  };
}
