/** Where the energy of an interval came from and where it went, drawn as bands, with the same as a table behind it. */

import { useFormat } from "../format";
import { Behind } from "./Behind";
import { type Link, laidOut, type Node } from "./sankey";
import { useWidth } from "./width";

interface SankeyProps {
  readonly title: string;
  readonly nodes: readonly Node[];
  /** In mWh */
  readonly links: readonly Link[];
  readonly words: { readonly from: string; readonly to: string; readonly energy: string };
}

const BAR = 12;

export function Sankey({ title, nodes, links, words }: SankeyProps) {
  const format = useFormat();
  const [box, width] = useWidth<HTMLDivElement>();
  const height = Math.max(260, Math.min(380, width * 0.55));
  const drawing = laidOut(nodes, links, { width, height, bar: BAR, gap: 34 });
  const label = (id: string) => nodes.find((node) => node.id === id)?.label ?? id;
  const said = drawing.links.map((link) => `${label(link.from)} → ${label(link.to)}: ${format.energy(link.value)}`);
  return (
    <figure className="min-w-0">
      <div ref={box} className="min-w-0">
        <svg
          role="img"
          aria-label={`${title}. ${said.join("; ")}`}
          width={width}
          height={height + 40}
          className="block"
        >
          <g transform="translate(0 20)">
            {drawing.links.map((link) => (
              <path
                key={`${link.from} ${link.to}`}
                d={link.path}
                fill="none"
                stroke={`var(--series-${link.colour})`}
                strokeWidth={Math.max(link.thickness, 1.5)}
                strokeOpacity="var(--series-flow)"
              >
                <title>{`${label(link.from)} → ${label(link.to)}: ${format.energy(link.value)}`}</title>
              </path>
            ))}
            {drawing.nodes.map((node) => {
              const [first, last] = [node.x === 0, node.x + node.width >= width - 1];
              const anchor = first ? "start" : last ? "end" : "middle";
              const x = first ? node.x : last ? node.x + node.width : node.x + node.width / 2;
              return (
                <g key={node.id}>
                  <rect
                    x={node.x}
                    y={node.y}
                    width={node.width}
                    height={Math.max(node.height, 2)}
                    rx={3}
                    fill={`var(--series-${node.colour})`}
                  />
                  <text
                    x={x}
                    y={node.y - 6}
                    textAnchor={anchor}
                    className="fill-ink stroke-surface text-[13px] font-medium"
                    strokeWidth={4}
                    paintOrder="stroke"
                  >
                    {node.label} <tspan className="fill-ink-soft font-normal">{format.energy(node.value)}</tspan>
                  </text>
                </g>
              );
            })}
          </g>
        </svg>
      </div>
      <Behind>
        {() => (
          <table className="w-full text-sm">
            <thead className="text-ink-soft">
              <tr>
                <th scope="col" className="px-3 py-1.5 text-start font-medium">
                  {words.from}
                </th>
                <th scope="col" className="px-3 py-1.5 text-start font-medium">
                  {words.to}
                </th>
                <th scope="col" className="px-3 py-1.5 text-end font-medium">
                  {words.energy}
                </th>
              </tr>
            </thead>
            <tbody>
              {drawing.links.map((link) => (
                <tr key={`${link.from} ${link.to}`}>
                  <td className="px-3 py-1">{label(link.from)}</td>
                  <td className="px-3 py-1">{label(link.to)}</td>
                  <td className="px-3 py-1 text-end">{format.energy(link.value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Behind>
    </figure>
  );
}
