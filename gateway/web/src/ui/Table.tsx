/**
 * A table by TanStack: its columns are sorted by a click, as far as its rows are here; on a phone each row is a small
 * list. Pages of the API go on by `onMore`, and are not sorted: their order is the gateway's.
 */

import {
  type ColumnDef,
  getCoreRowModel,
  getSortedRowModel,
  type SortingState,
  useReactTable,
} from "@tanstack/react-table";
import { type ReactNode, useMemo, useState } from "react";
import { COMMON, useTexts } from "../i18n";
import { Button } from "./Button";
import { Icon } from "./icons";
import { joined } from "./joined";
import { Scrolling } from "./Scrolling";

export interface Column<R> {
  readonly id: string;
  readonly title: string;
  /** What the cell shows. It is called, not mounted: what it opens stays open while rows are asked anew. */
  cell(row: R): ReactNode;
  /** By what the column is sorted; without it, it is not */
  value?(row: R): number | string | bigint;
  /** Figures stand at the end of their column */
  readonly figure?: boolean;
  /** What the row is called: on a phone it stands alone above the rest */
  readonly main?: boolean;
}

interface TableProps<R> {
  /** Said to those who do not see it */
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  keyOf(row: R, at: number): string;
  readonly sortable?: boolean;
  /** The next page, where there is one */
  onMore?: (() => void) | undefined;
  readonly busy?: boolean;
}

export function Table<R>({ caption, columns, rows, keyOf, sortable = false, onMore, busy = false }: TableProps<R>) {
  const t = useTexts(COMMON);
  const [sorting, setSorting] = useState<SortingState>([]);
  const defined = useMemo(
    () =>
      columns.map(
        (column): ColumnDef<R> => ({
          id: column.id,
          header: column.title,
          accessorFn: (row) => column.value?.(row),
          enableSorting: sortable && column.value !== undefined,
          sortingFn: (one, other) => compare(one.getValue(column.id), other.getValue(column.id)),
        }),
      ),
    [columns, sortable],
  );
  const table = useReactTable({
    data: rows as R[],
    columns: defined,
    state: { sorting },
    onSortingChange: setSorting,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const of = (id: string) => columns.find((column) => column.id === id);
  return (
    <Scrolling named={caption}>
      <table className="rows w-full border-collapse text-start">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b border-line text-sm text-ink-soft">
            {table.getFlatHeaders().map((header) => (
              <th
                key={header.id}
                scope="col"
                aria-sort={sorted(header.column.getIsSorted(), header.column.getCanSort())}
                className={joined(
                  "px-3 py-2 font-medium first:ps-4 last:pe-4 sm:first:ps-5 sm:last:pe-5",
                  of(header.id)?.figure ? "text-end" : "text-start",
                )}
              >
                {header.column.getCanSort() ? (
                  <button
                    type="button"
                    className="inline-flex items-center gap-1 hover:text-ink"
                    onClick={header.column.getToggleSortingHandler()}
                  >
                    {header.column.columnDef.header as string}
                    <Icon
                      name="down"
                      className={joined(
                        "size-3.5",
                        header.column.getIsSorted() === "asc" && "rotate-180",
                        !header.column.getIsSorted() && "opacity-35",
                      )}
                    />
                  </button>
                ) : (
                  (header.column.columnDef.header as string)
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row, at) => (
            <tr key={keyOf(row.original, at)} className="border-b border-line last:border-0 hover:bg-sunken/50">
              {row.getVisibleCells().map((cell) => {
                const column = of(cell.column.id);
                return (
                  <td
                    key={cell.id}
                    data-label={column?.title}
                    data-main={column?.main || undefined}
                    className={joined(
                      "align-top sm:px-3 sm:py-2.5 sm:first:ps-5 sm:last:pe-5",
                      column?.figure && "sm:text-end sm:whitespace-nowrap",
                    )}
                  >
                    {column?.cell(row.original)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {onMore && (
        <div className="border-t border-line p-3 text-center">
          <Button look="plain" onClick={onMore} busy={busy}>
            {t.more}
          </Button>
        </div>
      )}
    </Scrolling>
  );
}

function compare(one: unknown, other: unknown): number {
  if (typeof one === "string" && typeof other === "string")
    return one.localeCompare(other, undefined, { numeric: true });
  return (one as number) < (other as number) ? -1 : (one as number) > (other as number) ? 1 : 0;
}

function sorted(direction: false | "asc" | "desc", can: boolean): "ascending" | "descending" | "none" | undefined {
  if (!can) return undefined;
  return direction === "asc" ? "ascending" : direction === "desc" ? "descending" : "none";
}
