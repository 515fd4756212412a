/** What a chart draws: values over time, one list a line. Null is a gap: nothing is known there. */

export interface Series {
  readonly label: string;
  /** As many as there are times; already in what the axis counts (the API's own whole numbers) */
  readonly values: readonly (number | null)[];
  readonly shape?: "line" | "area" | "steps" | "bars";
  /** Which of the six colours */
  readonly colour?: 1 | 2 | 3 | 4 | 5 | 6;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * Times without rows are gaps, not lines drawn across: where two neighbours are further apart than `stepMs` and a half,
 * a null is put between them.
 */
export function gapped(
  times: readonly number[],
  columns: readonly (readonly (number | null)[])[],
  stepMs: number,
): { times: number[]; columns: (number | null)[][] } {
  const out: number[] = [];
  const lists: (number | null)[][] = columns.map(() => []);
  times.forEach((time, at) => {
    const before = times[at - 1];
    if (before !== undefined && time - before > 1.5 * stepMs) {
      out.push(before + stepMs);
      for (const list of lists) list.push(null);
    }
    out.push(time);
    columns.forEach((column, of) => {
      lists[of]?.push(column[at] ?? null);
    });
  });
  return { times: out, columns: lists };
}
