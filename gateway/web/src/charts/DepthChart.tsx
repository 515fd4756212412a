/** The depth of an order book: bids on the left, asks on the right, the gap between them in the middle. */

import { useFormat } from "../format";
import { Behind } from "./Behind";
import { type Level, outline, stairs } from "./depth";
import { useWidth } from "./width";

interface DepthProps {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  readonly words: {
    readonly title: string;
    readonly bids: string;
    readonly asks: string;
    readonly price: string;
    readonly energy: string;
    readonly orders: string;
  };
}

const HEIGHT = 220;
const FOOT = 24;
const HEAD = 10;

export function DepthChart({ bids, asks, words }: DepthProps) {
  const format = useFormat();
  const [box, width] = useWidth<HTMLDivElement>();
  const [bid, ask] = [stairs(bids), stairs(asks)];
  const prices = [...bid, ...ask].map((stair) => stair.price);
  const most = Math.max(1, ...[...bid, ...ask].map((stair) => stair.total));
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const room = (high - low || high || 1) * 0.06;
  const x = (price: number) => ((price - low + room) / (high - low + 2 * room)) * width;
  const y = (total: number) => HEAD + (1 - total / most) * (HEIGHT - HEAD - FOOT);
  const [best, cheapest] = [bid[0], ask[0]];
  const said = [
    best && `${words.bids}: ${format.price(best.price)}`,
    cheapest && `${words.asks}: ${format.price(cheapest.price)}`,
  ].filter(Boolean);
  return (
    <figure className="min-w-0">
      <div ref={box} className="min-w-0">
        <svg
          role="img"
          aria-label={`${words.title}. ${said.join(", ")}`}
          width={width}
          height={HEIGHT}
          className="block"
        >
          <line x1={0} x2={width} y1={y(0)} y2={y(0)} className="stroke-line" />
          <path
            d={outline(bid, x, y, 0)}
            className="fill-[var(--series-1)]/20 stroke-[var(--series-1)]"
            strokeWidth={1.75}
          />
          <path
            d={outline(ask, x, y, width)}
            className="fill-[var(--series-2)]/20 stroke-[var(--series-2)]"
            strokeWidth={1.75}
          />
          {best && (
            <text x={Math.max(x(best.price) - 4, 60)} y={HEIGHT - 6} textAnchor="end" className="fill-ink text-[12px]">
              {format.price(best.price)}
            </text>
          )}
          {cheapest && (
            <text x={Math.min(x(cheapest.price) + 4, width - 60)} y={HEIGHT - 6} className="fill-ink text-[12px]">
              {format.price(cheapest.price)}
            </text>
          )}
          <text x={width - 4} y={HEAD + 10} textAnchor="end" className="fill-ink-soft text-[12px]">
            {format.energyWh(most)}
          </text>
        </svg>
      </div>
      <Behind>
        {() => (
          <table className="w-full text-sm">
            <thead className="text-ink-soft">
              <tr>
                {[words.price, words.energy, words.orders].map((name, at) => (
                  <th
                    key={name}
                    scope="col"
                    className={at ? "px-3 py-1.5 text-end font-medium" : "px-3 py-1.5 text-start font-medium"}
                  >
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            {(
              [
                [words.asks, [...asks].reverse()],
                [words.bids, bids],
              ] as const
            ).map(([name, levels]) => (
              <tbody key={name}>
                <tr>
                  <th scope="rowgroup" colSpan={3} className="bg-sunken px-3 py-1 text-start font-medium">
                    {name}
                  </th>
                </tr>
                {levels.map((level) => (
                  <tr key={level.price_micro}>
                    <td className="px-3 py-1">{format.price(level.price_micro)}</td>
                    <td className="px-3 py-1 text-end">{format.energyWh(level.energy_wh)}</td>
                    <td className="px-3 py-1 text-end">{format.number(level.orders)}</td>
                  </tr>
                ))}
              </tbody>
            ))}
          </table>
        )}
      </Behind>
    </figure>
  );
}
