/**
 * A chart over time: its title, what it says in a sentence, the drawing (loaded apart), and behind it the same figures
 * as a table, for those who do not see it and those who want the number.
 */

import { lazy, type ReactNode, Suspense, useMemo } from "react";
import { useFormat } from "../format";
import { Table } from "../ui/Table";
import { Behind } from "./Behind";
import type { Series } from "./series";

const Plot = lazy(() => import("./Plot"));
const TABLE_ROWS = 400;

interface ChartProps {
  readonly title: string;
  /** What one would tell somebody who does not see it */
  readonly summary: string;
  readonly times: readonly number[];
  readonly series: readonly Series[];
  /** The axis begins at nothing */
  readonly zero?: boolean;
  readonly height?: number;
  readonly limit?: { readonly value: number; readonly label: string };
  readonly timeTitle: string;
  value(value: number): string;
}

export function Chart({
  title,
  summary,
  times,
  series,
  zero = true,
  height = 260,
  limit,
  timeTitle,
  value,
}: ChartProps) {
  return (
    <figure className="min-w-0">
      <div role="img" aria-label={`${title}. ${summary}`}>
        <Suspense fallback={<Space height={height} />}>
          <Plot times={times} series={series} height={height} zero={zero} value={value} {...(limit ? { limit } : {})} />
        </Suspense>
      </div>
      <Behind>
        {() => <Figures title={title} timeTitle={timeTitle} times={times} series={series} value={value} />}
      </Behind>
    </figure>
  );
}

function Space({ height }: { height: number }): ReactNode {
  return <div className="animate-breathe rounded-lg bg-sunken" style={{ height }} />;
}

type FiguresProps = Pick<ChartProps, "title" | "timeTitle" | "times" | "series" | "value">;

/** The latest first. */
function Figures({ title, timeTitle, times, series, value }: FiguresProps) {
  const format = useFormat();
  const rows = useMemo(() => times.map((_, at) => times.length - 1 - at).slice(0, TABLE_ROWS), [times]);
  const columns = useMemo(
    () => [
      { id: "time", title: timeTitle, main: true, cell: (at: number) => format.time(times[at] ?? 0) },
      ...series.map((one) => ({
        id: one.label,
        title: one.label,
        figure: true,
        cell: (at: number) => {
          const known = one.values[at];
          return known === null || known === undefined ? "–" : value(known);
        },
      })),
    ],
    [timeTitle, times, series, value, format],
  );
  return <Table caption={title} columns={columns} rows={rows} keyOf={(at) => `${times[at]}`} />;
}
