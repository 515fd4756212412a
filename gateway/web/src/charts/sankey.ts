/**
 * Where energy flows: nodes in columns, links between them as wide as their value. What enters a node leaves it at the
 * same scale, so widths add up as the energy does. Pure; layout in the caller's pixels.
 */

export interface Node {
  readonly id: string;
  readonly label: string;
  readonly column: number;
  readonly colour: 1 | 2 | 3 | 4 | 5 | 6;
}

export interface Link {
  readonly from: string;
  readonly to: string;
  readonly value: number;
}

export interface PlacedNode extends Node {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly value: number;
}

export interface PlacedLink extends Link {
  readonly colour: Node["colour"];
  readonly thickness: number;
  readonly path: string;
}

interface Place {
  readonly width: number;
  readonly height: number;
  readonly bar: number;
  readonly gap: number;
}

/** Links of nothing and nodes without links are left out. */
export function laidOut(
  nodes: readonly Node[],
  links: readonly Link[],
  place: Place,
): { nodes: PlacedNode[]; links: PlacedLink[] } {
  const flowing = links.filter((link) => link.value > 0);
  const sums = new Map<string, { into: number; out: number }>();
  for (const link of flowing) {
    const [source, target] = [sums.get(link.from) ?? { into: 0, out: 0 }, sums.get(link.to) ?? { into: 0, out: 0 }];
    sums.set(link.from, { ...source, out: source.out + link.value });
    sums.set(link.to, { ...target, into: target.into + link.value });
  }
  const used = nodes.filter((node) => sums.has(node.id));
  const carried = (id: string) => Math.max(sums.get(id)?.into ?? 0, sums.get(id)?.out ?? 0);
  const columns = [...new Set(used.map((node) => node.column))].sort((a, b) => a - b);
  const members = columns.map((column) => used.filter((node) => node.column === column));
  const scale = Math.min(
    ...members.map(
      (of) =>
        (place.height - place.gap * (of.length - 1)) /
        Math.max(
          1,
          of.reduce((sum, node) => sum + carried(node.id), 0),
        ),
    ),
  );
  const placed = new Map<string, PlacedNode>();
  members.forEach((of, at) => {
    const x = columns.length < 2 ? 0 : (at * (place.width - place.bar)) / (columns.length - 1);
    const total = of.reduce((sum, node) => sum + carried(node.id) * scale, 0) + place.gap * (of.length - 1);
    let y = (place.height - total) / 2;
    for (const node of of) {
      const height = carried(node.id) * scale;
      placed.set(node.id, { ...node, x, y, width: place.bar, height, value: carried(node.id) });
      y += height + place.gap;
    }
  });
  return { nodes: [...placed.values()], links: drawn(flowing, placed, scale) };
}

/** At every node links leave, and enter, in the order of where they go to, so that they cross as little as they can. */
function drawn(links: readonly Link[], placed: ReadonlyMap<string, PlacedNode>, scale: number): PlacedLink[] {
  const at = (id: string) => placed.get(id)?.y ?? 0;
  const starts = new Map<Link, number>();
  const ends = new Map<Link, number>();
  for (const id of placed.keys()) {
    let [out, into] = [at(id), at(id)];
    for (const link of links.filter((one) => one.from === id).sort((a, b) => at(a.to) - at(b.to))) {
      starts.set(link, out + (link.value * scale) / 2);
      out += link.value * scale;
    }
    for (const link of links.filter((one) => one.to === id).sort((a, b) => at(a.from) - at(b.from))) {
      ends.set(link, into + (link.value * scale) / 2);
      into += link.value * scale;
    }
  }
  return links.flatMap((link) => {
    const [from, to] = [placed.get(link.from), placed.get(link.to)];
    if (!from || !to) return [];
    const [x, end] = [from.x + from.width, to.x];
    const [y, last] = [starts.get(link) ?? 0, ends.get(link) ?? 0];
    const middle = (x + end) / 2;
    const path = `M${x},${y}C${middle},${y} ${middle},${last} ${end},${last}`;
    return [{ ...link, colour: from.colour, thickness: link.value * scale, path }];
  });
}
