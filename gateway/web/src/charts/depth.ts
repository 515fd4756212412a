/** An order book as two stairs: how much is bid at a price or above it, how much is asked at it or below. Pure. */

export interface Level {
  readonly price_micro: number;
  readonly energy_wh: number;
  readonly orders: number;
}

export interface Stair {
  readonly price: number;
  /** All of this level and the better ones */
  readonly total: number;
}

/** Best price first, as levels come. */
export function stairs(levels: readonly Level[]): Stair[] {
  let total = 0;
  return levels.map((level) => {
    total += level.energy_wh;
    return { price: level.price_micro, total };
  });
}

/** The outline of a side, from its best price outwards, in pixels. */
export function outline(
  side: readonly Stair[],
  x: (price: number) => number,
  y: (total: number) => number,
  edge: number,
): string {
  const first = side[0];
  if (!first) return "";
  let path = `M${x(first.price)},${y(0)}`;
  side.forEach((stair, at) => {
    const next = side[at + 1];
    path += `V${y(stair.total)}H${next ? x(next.price) : edge}`;
  });
  return `${path}V${y(0)}Z`;
}
