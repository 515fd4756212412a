import { describe, expect, it } from "vitest";
import { outline, stairs } from "../src/charts/depth";
import { laidOut, type Node } from "../src/charts/sankey";
import { gapped } from "../src/charts/series";

describe("a line", () => {
  it("is broken where nothing is known, not drawn across", () => {
    const { times, columns } = gapped([0, 10, 40, 50], [[1, 2, 3, 4]], 10);
    expect(times).toEqual([0, 10, 20, 40, 50]);
    expect(columns).toEqual([[1, 2, null, 3, 4]]);
  });
});

describe("an order book", () => {
  it("adds up from the best price outwards", () => {
    const side = stairs([
      { price_micro: 30, energy_wh: 5, orders: 1 },
      { price_micro: 20, energy_wh: 7, orders: 2 },
    ]);
    expect(side).toEqual([
      { price: 30, total: 5 },
      { price: 20, total: 12 },
    ]);
    expect(
      outline(
        side,
        (x) => x,
        (y) => -y,
        0,
      ),
    ).toBe("M30,0V-5H20V-12H0V0Z");
    expect(
      outline(
        [],
        (x) => x,
        (y) => y,
        0,
      ),
    ).toBe("");
  });
});

describe("flows", () => {
  const NODES: Node[] = [
    { id: "sun", label: "Sun", column: 0, colour: 2 },
    { id: "grid", label: "Grid", column: 0, colour: 3 },
    { id: "homes", label: "Homes", column: 1, colour: 1 },
    { id: "loss", label: "Loss", column: 1, colour: 4 },
    { id: "idle", label: "Idle", column: 1, colour: 5 },
  ];
  const { nodes, links } = laidOut(
    NODES,
    [
      { from: "sun", to: "homes", value: 60 },
      { from: "grid", to: "homes", value: 30 },
      { from: "grid", to: "loss", value: 10 },
      { from: "sun", to: "idle", value: 0 },
    ],
    { width: 400, height: 220, bar: 10, gap: 20 },
  );
  const node = (id: string) => nodes.find((one) => one.id === id);

  it("are as wide as their energy, at one scale everywhere", () => {
    const scale = 200 / 100;
    for (const link of links) expect(link.thickness).toBeCloseTo(link.value * scale);
    for (const one of nodes) expect(one.height).toBeCloseTo(one.value * scale);
    expect(node("homes")?.value).toBe(90);
  });
  it("leave out what carries nothing", () => {
    expect(node("idle")).toBeUndefined();
    expect(links).toHaveLength(3);
  });
  it("stay inside, and touch no neighbour", () => {
    for (const one of nodes) {
      expect(one.y).toBeGreaterThanOrEqual(0);
      expect(one.y + one.height).toBeLessThanOrEqual(220 + 1e-9);
    }
    const [sun, grid] = [node("sun"), node("grid")];
    expect((grid?.y ?? 0) - ((sun?.y ?? 0) + (sun?.height ?? 0))).toBeCloseTo(20);
  });
  it("of nothing at all are no drawing", () => {
    expect(laidOut(NODES, [], { width: 400, height: 200, bar: 10, gap: 20 })).toEqual({ nodes: [], links: [] });
  });
});
