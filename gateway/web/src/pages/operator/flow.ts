/**
 * Where an interval's energy of a feeder came from and went to, from its report: generation is used in its own house,
 * shared on the feeder, or flows to the grid; what is missing comes from the grid; what is lost comes from there, too.
 * Nothing where the report does not know it: no flow is guessed.
 */

import type { IntervalRow } from "../../api/rows";
import type { Link } from "../../charts/sankey";

export function flowOf(row: IntervalRow): Link[] {
  const { self_mwh: own, pool_mwh: pool, surplus_mwh: surplus, deficit_mwh: deficit, loss_mwh: loss } = row;
  if (own === null || pool === null || surplus === null || deficit === null) return [];
  return [
    { from: "generation", to: "self", value: own },
    { from: "self", to: "consumption", value: own },
    { from: "generation", to: "pool", value: pool },
    { from: "pool", to: "consumption", value: pool },
    { from: "generation", to: "back", value: surplus },
    { from: "grid", to: "consumption", value: deficit },
    { from: "grid", to: "loss", value: Math.max(0, loss ?? 0) },
  ].filter((link) => link.value > 0);
}
