import { describe, expect, it } from "vitest";
import { UTC } from "../src/format/zone";
import { bandAt, halfEven, previewed, pricesOfDay, type Tariff } from "../src/pages/operator/pricing";

const HOUR = 3_600_000;
const TOU: Tariff = {
  id: "north:day-night",
  utility: "north",
  zone: { name: "CET", standard_minutes: 60, summer_minutes: 0, begins: null, ends: null },
  kind: "time_of_use",
  bands: [
    { name: "weekend", price_micro: 180_000, day_type: "weekend" },
    { name: "day", price_micro: 310_000, from_minute: 420, until_minute: 1_320 },
    { name: "night", price_micro: 220_000 },
  ],
  feed_in: [{ name: "sun", price_micro: 80_000 }],
  fixed_minor: 900,
  grid_fee_micro: 15_000,
  levies: [{ name: "renewables", price_micro: 5_000 }],
  tax_micro: 190_000,
  day_types: [{ name: "weekend", weekdays: [5, 6] }],
};

describe("a preview", () => {
  it("chooses bands by the tariff's own clock", () => {
    const monday = Date.UTC(2026, 10, 16);
    expect(bandAt(TOU, TOU.bands ?? [], monday + 6 * HOUR - 1)).toBe(2);
    expect(bandAt(TOU, TOU.bands ?? [], monday + 6 * HOUR)).toBe(1);
    expect(bandAt(TOU, TOU.bands ?? [], monday + 21 * HOUR)).toBe(2);
    expect(bandAt(TOU, TOU.bands ?? [], monday - HOUR - 1)).toBe(0);
    expect(pricesOfDay(TOU, monday - HOUR)).toHaveLength(96);
  });
  it("makes the lines that chaincode.pricing makes, in its order, rounded as it rounds", () => {
    const monday = Date.UTC(2026, 10, 16);
    const taken = [
      { from_ms: monday + 10 * HOUR, import_mwh: 12_345_678, export_mwh: 2_000_000 },
      { from_ms: monday + 22 * HOUR, import_mwh: 7_654_321, export_mwh: 0 },
    ];
    const lines = previewed(TOU, taken, 30, 30, 2);
    expect(lines.map((line) => [line.kind, line.amountMinor])).toEqual([
      ["import", 383n],
      ["import", 168n],
      ["grid_fee", 30n],
      ["levy", 10n],
      ["fixed", 900n],
      ["tax", 283n],
      ["feed_in", -16n],
    ]);
  });
  it("splits steps where they end", () => {
    const steps: Tariff = {
      id: "x",
      utility: "north",
      zone: UTC,
      kind: "steps",
      steps: [
        { up_to_wh: 50_000, price_micro: 100_000 },
        { up_to_wh: 0, price_micro: 200_000 },
      ],
    };
    const lines = previewed(steps, [{ from_ms: 0, import_mwh: 80_000_000, export_mwh: 0 }], 30, 30, 2);
    expect(lines.map((line) => line.amountMinor)).toEqual([500n, 600n]);
  });
  it("rounds half to even, below zero too", () => {
    expect([halfEven(5n, 2n), halfEven(7n, 2n), halfEven(-5n, 2n), halfEven(-7n, 2n)]).toEqual([2n, 4n, -2n, -4n]);
  });
});
