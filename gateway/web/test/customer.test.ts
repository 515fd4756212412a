// What customers type and what is reckoned from it: whole numbers, or nothing.

import { expect, it } from "vitest";

import { instantOf } from "../src/format/zone";
import { stretch } from "../src/pages/customer/Consumption";
import { grouped, hasDigits } from "../src/pages/customer/Digits";
import { proofOfCode } from "../src/pages/customer/LinkHome";
import { readPrice, readWh } from "../src/pages/customer/market/PlaceOrder";
import { answerTo, termsOf } from "../src/pages/customer/market/terms";
import { isPan, newRequest } from "../src/pages/customer/money";

it("knows a meter's number by its last digit", () => {
  expect(isPan("600727000000000009")).toBe(true);
  for (const wrong of ["600727000000000008", "60072700000000000", "60072700000000000x", ""]) {
    expect(isPan(wrong)).toBe(false);
  }
});

it("reads prices and energy exactly, with point or comma", () => {
  expect(readPrice("0.245")).toBe(245_000n);
  expect(readPrice("0,245001")).toBe(245_001n);
  expect(readPrice("-0.1")).toBe(-100_000n);
  expect([readPrice("0.2450011"), readPrice("x"), readPrice("")]).toEqual([null, null, null]);
  expect([readWh("1"), readWh("0,001"), readWh("0.0001")]).toEqual([1_000n, 1n, null]);
});

it("proves a code without telling it, for one wallet", async () => {
  // as tests/acceptance has it: the digest of `code-7` and the wallet's id
  const proof = await proofOfCode("code-7", "ab".repeat(32));
  expect(proof).toMatch(/^[0-9a-f]{64}$/);
  expect(proof).not.toBe(await proofOfCode("code-7", "ac".repeat(32)));
});

it("makes another reference each time", () => {
  expect(new Set(Array.from({ length: 100 }, newRequest)).size).toBe(100);
});

it("cuts time at local days and months, also where a day has 23 hours", () => {
  const last = { month: 3, week: 5, weekday: 6, minute: 60, utc: true };
  const ends = { month: 10, week: 5, weekday: 6, minute: 60, utc: true };
  const zone = { name: "Berlin", standard_minutes: 60, summer_minutes: 120, begins: last, ends };
  const noon = instantOf(zone, Date.UTC(2026, 2, 29, 12));
  const day = stretch(zone, noon, "day", 0);
  expect(day.untilMs - day.fromMs).toBe(23 * 3_600_000);
  expect(stretch(zone, noon, "day", 1).untilMs).toBe(day.fromMs);
  const month = stretch(zone, noon, "month", 1);
  expect(new Date(month.fromMs).toISOString()).toBe("2026-01-31T23:00:00.000Z");
  expect(month.untilMs).toBe(stretch(zone, noon, "month", 0).fromMs);
  expect(stretch(zone, noon, "week", 0).untilMs - stretch(zone, noon, "week", 0).fromMs).toBe(167 * 3_600_000);
});

it("answers an order as it stands, in part, or below its price, and never above it", () => {
  const times = { from_ms: 5, until_ms: 6, placed_ms: 1 };
  const offer = { number: 7, side: "ask", kind: "offer", energy_wh: 2_000, price_micro: 250_000, ...times };
  const request = { ...offer, side: "bid", kind: "request" };
  const called = (row: typeof offer, energy: bigint | "", price: bigint | "") => {
    const terms = termsOf(row, energy, price);
    return terms && answerTo(row, "p", terms);
  };
  const whole = { order: 7, point: "p", energy_wh: 2_000 };
  expect(called(offer, "", "")).toEqual({ contract: "market", function: "buy", arguments: whole });
  expect(called(request, "", "")).toEqual({ contract: "market", function: "sell", arguments: whole });
  expect(called(offer, 500n, 250_000n)?.function).toBe("buy");
  expect(called(offer, 500n, 249_999n)).toEqual({
    contract: "market",
    function: "counter",
    arguments: { ...whole, energy_wh: 500, price_micro: 249_999 },
  });
  expect([called(offer, 2_001n, ""), called(offer, 0n, ""), called(offer, "", 250_001n)]).toEqual([null, null, null]);
  expect([termsOf(offer, null, ""), termsOf(offer, "", null)]).toEqual([null, null]);
});

it("shows a token's digits in fours, once the ledger has their hash and while they are worth something or were", () => {
  expect(grouped("12345678901234567890")).toEqual(["1234", "5678", "9012", "3456", "7890"]);
  const has = (status: string, token_hash: string) => hasDigits({ status, token_hash } as never);
  expect([has("minted", "ab"), has("delivered", "ab"), has("redeemed", "ab")]).toEqual([true, true, true]);
  expect([has("reserved", ""), has("burned", "ab"), has("refunded", "ab")]).toEqual([false, false, false]);
});
