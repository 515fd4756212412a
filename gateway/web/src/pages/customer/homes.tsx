/** Which home a customer looks at: the one connection, or the one that was chosen last. */

import { useState } from "react";

import { useAsked, usePages } from "../../api/asking";
import { part } from "../../api/client";
import type { MeterRow, PointRow } from "../../api/rows";
import { useTexts } from "../../i18n";
import { Choice } from "../../ui";
import { CUSTOMER } from "./texts";

const CHOSEN = "point";

export interface PointShown {
  readonly row: PointRow;
  readonly meters: readonly MeterRow[];
}

export function useHomes() {
  const asked = usePages<PointRow>("/points", { size: 100 });
  const [chosen, setChosen] = useState(() => localStorage.getItem(CHOSEN) ?? "");
  const points = asked.data ?? [];
  return {
    asked,
    points,
    point: points.find((one) => one.point === chosen) ?? points[0] ?? null,
    choose: (point: string) => {
      localStorage.setItem(CHOSEN, point);
      setChosen(point);
    },
  };
}

export type Homes = ReturnType<typeof useHomes>;

/** Where there is more than one. */
export function WhichHome({ homes: { points, point, choose } }: { homes: Homes }) {
  const t = useTexts(CUSTOMER);
  if (points.length < 2) return null;
  return (
    <div className="max-w-sm">
      <Choice
        label={t.point}
        value={point?.point ?? ""}
        options={points.map((one) => [one.point, one.point] as const)}
        onChange={(event) => choose(event.target.value)}
      />
    </div>
  );
}

export function usePoint(point: string | undefined) {
  return useAsked<PointShown>(`/points/${part(point ?? "")}`, {}, { when: Boolean(point) });
}

/** The number on the meter's plate, for who shares. */
export const panOf = (shown: PointShown | undefined): string =>
  shown?.meters.find((meter) => meter.removed_ms === 0)?.pan ?? "";
