/** Which stretch of time a page looks at: the last day, week, month, or year, up to now. */

import { useState } from "react";
import { api } from "../../api/client";
import { useTexts } from "../../i18n";
import { Segments } from "../../ui";
import { TEXTS } from "./texts";

const DAY_MS = 86_400_000;
const LENGTHS = { day: DAY_MS, week: 7 * DAY_MS, month: 31 * DAY_MS, year: 366 * DAY_MS } as const;
/** Bounds stay as they are for so long, so that answers are found again; and what has just come is within them. */
const STEP_MS = 60_000;

export type Range = keyof typeof LENGTHS;

export function useRange(first: Range = "day", of: readonly Range[] = ["day", "week", "month"]) {
  const t = useTexts(TEXTS);
  const [range, setRange] = useState<Range>(first);
  // by the time of each drawing: a page that stays open shows what has come since
  const untilMs = Math.ceil(api.now() / STEP_MS) * STEP_MS + STEP_MS;
  const fromMs = untilMs - LENGTHS[range];
  const names: Readonly<Record<Range, string>> = t.ranges;
  const chooser = (
    <Segments label={t.range} value={range} options={of.map((one) => [one, names[one]] as const)} onChange={setRange} />
  );
  return { range, fromMs, untilMs, chooser };
}
