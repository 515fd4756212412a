/**
 * Local time as the ledger's own data of a utility say: an offset, and the two changes of a year. A local day has 23 or
 * 25 hours when the offset changes. Whole minutes and whole numbers only; the same rules as the read model's days.
 */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LAST = 5;

/** The `week`-th (5: last) `weekday` (0: Monday) of a month; `minute` in UTC, or on the clock before the change. */
export interface Change {
  readonly month: number;
  readonly week: number;
  readonly weekday: number;
  readonly minute: number;
  readonly utc: boolean;
}

export interface Zone {
  readonly name: string;
  readonly standard_minutes: number;
  readonly summer_minutes: number;
  readonly begins: Change | null;
  readonly ends: Change | null;
}

export const UTC: Zone = { name: "UTC", standard_minutes: 0, summer_minutes: 0, begins: null, ends: null };

function changeMs(change: Change, year: number, minutesBefore: number): number {
  const first = Date.UTC(year, change.month - 1, 1);
  const length = (Date.UTC(year, change.month, 1) - first) / DAY_MS;
  const weekday = (new Date(first).getUTCDay() + 6) % 7;
  let day = ((change.weekday - weekday + 7) % 7) + 7 * (change.week - 1);
  if (change.week === LAST) while (day >= length) day -= 7;
  return first + day * DAY_MS + (change.minute - (change.utc ? 0 : minutesBefore)) * MINUTE_MS;
}

/** How far the local clock is ahead of UTC at an instant. */
export function offsetMs(zone: Zone, timeMs: number): number {
  const { begins, ends, standard_minutes: standard, summer_minutes: summer } = zone;
  if (!begins || !ends) return standard * MINUTE_MS;
  const year = new Date(timeMs + standard * MINUTE_MS).getUTCFullYear();
  const from = changeMs(begins, year, standard);
  const until = changeMs(ends, year, summer);
  const isSummer = from < until ? timeMs >= from && timeMs < until : timeMs >= from || timeMs < until;
  return (isSummer ? summer : standard) * MINUTE_MS;
}

/** The instant at which the clock on the wall shows this (as if it were UTC). */
export function instantOf(zone: Zone, wallMs: number): number {
  const guess = wallMs - offsetMs(zone, wallMs - zone.standard_minutes * MINUTE_MS);
  return wallMs - offsetMs(zone, guess);
}

/** When the local day of an instant begins, `days` days later (or earlier). */
export function dayStart(zone: Zone, timeMs: number, days = 0): number {
  const wall = timeMs + offsetMs(zone, timeMs);
  return instantOf(zone, Math.floor(wall / DAY_MS) * DAY_MS + days * DAY_MS);
}

/** When the local month of an instant begins, `months` months later (or earlier). */
export function monthStart(zone: Zone, timeMs: number, months = 0): number {
  const wall = new Date(timeMs + offsetMs(zone, timeMs));
  return instantOf(zone, Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth() + months, 1));
}
