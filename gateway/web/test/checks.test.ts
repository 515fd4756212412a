import { describe, expect, it } from "vitest";
import type { BlockRow, IntervalRow } from "../src/api/rows";
import {
  blocksAreSigned,
  blocksFollow,
  consumptionIsAllocated,
  energyIsConserved,
  generationIsAllocated,
  moneyIsConserved,
} from "../src/pages/regulator/checks";

const block = (height: number, time_ms: number, signatures = 3): BlockRow => ({
  height,
  time_ms,
  signatures,
  hash: `${height}`,
  epoch: 0,
  transactions: 0,
  receipts: 0,
});
const report = (values: Partial<IntervalRow>): IntervalRow =>
  ({ feeder: "north:F1", interval_ms: 0, ...values }) as IntervalRow;

describe("checks of a regulator", () => {
  it("see a gap, a time that goes back, and a signature too few", () => {
    expect(blocksFollow([block(3, 30), block(2, 20), block(1, 10)])).toEqual({ looked: 3, broken: [] });
    expect(blocksFollow([block(4, 40), block(2, 20), block(1, 20)]).broken).toEqual(["4", "2"]);
    const rows = [block(2, 20, 2), block(1, 10, 3), block(0, 0, 0)];
    expect(blocksAreSigned(rows, new Map([[0, 3]]))).toEqual({ looked: 2, broken: ["2"] });
  });
  it("see one mWh that is not there, and say nothing of what is not known", () => {
    const whole = { generation_mwh: 10, supply_mwh: 5, consumption_mwh: 14, loss_mwh: 1 };
    expect(energyIsConserved([report(whole)])).toEqual({ looked: 1, broken: [] });
    expect(energyIsConserved([report({ ...whole, loss_mwh: 2 })]).broken).toHaveLength(1);
    expect(energyIsConserved([report({ ...whole, loss_mwh: null })]).looked).toBe(0);
    const allocated = {
      generation_mwh: 7,
      self_mwh: 4,
      pool_mwh: 3,
      surplus_mwh: 1,
      deficit_mwh: 0,
      consumption_mwh: 6,
    };
    expect(consumptionIsAllocated([report(allocated)])).toEqual({ looked: 1, broken: [] });
    expect(generationIsAllocated([report({ ...allocated, pool_mwh: 2 })]).broken).toHaveLength(1);
    expect(consumptionIsAllocated([report({ ...allocated, surplus_mwh: 2 })]).broken).toHaveLength(1);
  });
  it("know that a battery may give more than its house makes", () => {
    // made 275, used 553 less what a battery gave: own use and pool hold 542 more than was made
    const evening = { generation_mwh: 275, consumption_mwh: 553, self_mwh: 195, pool_mwh: 622 };
    const rows = [report({ ...evening, surplus_mwh: 0, deficit_mwh: 278 })];
    expect(consumptionIsAllocated(rows).broken).toEqual([]);
    expect(generationIsAllocated(rows).broken).toEqual([]);
  });
  it("count the money: accounts hold what there is, to the last minor unit", () => {
    const held = { accounts: 2, available_minor: 70, escrow_minor: 30 };
    const found = { code: "EUR", supply_minor: 100, held };
    expect(moneyIsConserved(found)).toEqual({ looked: 2, broken: [] });
    expect(moneyIsConserved({ ...found, supply_minor: 101 }).broken).toEqual(["EUR"]);
    expect(moneyIsConserved({ ...found, held: null }).looked).toBe(0);
  });
});
