// The confirm sheet says what the bytes say: all of it, or it says that it does not know.

import { describe, expect, it } from "vitest";

import type { Arguments } from "../src/ledger/arguments";
import { fromHex, utf8 } from "../src/ledger/bytes";
import { call, encodeBody, newNonce } from "../src/ledger/transaction";
import { halfEven, KNOWN_CALLS, linesOf, readingOf, saysTheSame, worthMinor } from "../src/wallet/reading";

const chainId = "ee".repeat(32);
const identity = "02".repeat(32);
const expected = { chainId, identity, nowMs: 1_000_000, currencyDigits: 2 };
const of = {
  kind: "transaction",
  chainId: fromHex(chainId),
  creator: fromHex(identity),
  replay: { nonce: newNonce(), validUntilMs: 1_300_000 },
  budget: 500_000,
} as const;
const read = (contract: string, name: string, values: Arguments, other: object = {}) =>
  readingOf(encodeBody(call(contract, name, values, { ...of, ...other })), expected);

const zone = { name: "Berlin", standard_minutes: 60, summer_minutes: 120, begins: { month: 3 }, ends: { month: 10 } };

/** Arguments of each call as the pages make them, with the money that they may take. */
const CALLS: Record<string, [Arguments, bigint | null]> = {
  "currency.transfer": [{ to: "ab", amount_minor: 250, purpose: "lunch" }, 250n],
  "prepaid.reserve": [{ point: "north:point-1", amount_minor: 2_000, request: "r1" }, 2_000n],
  "prepaid.request_share": [
    { point: "north:point-1", recipient_pan: "600727000000000009", energy_mwh: 10_000_000, request: "r" },
    null,
  ],
  "prepaid.take_emergency": [{ point: "north:point-1" }, null],
  "prepaid.collect_returns": [{ point: "north:point-1" }, null],
  "billing.pay": [{ invoice: "north:7", amount_minor: 4_200, request: "r" }, 4_200n],
  "billing.withdraw_balance": [{}, null],
  "billing.dispute": [{ invoice: "north:7", reason: "too much" }, null],
  "market.bid": [{ market: "m", point: "p", energy_wh: 2_000, price_micro: 250_000, from_ms: 5, until_ms: 6 }, 50n],
  "market.request": [{ market: "m", point: "p", energy_wh: 1_000, price_micro: 250_000 }, 25n],
  "market.ask": [{ market: "m", point: "p", energy_wh: 2_000, price_micro: 250_000 }, null],
  "market.offer": [{ market: "m", point: "p", energy_wh: 2_000, price_micro: 250_000, expires_ms: 9 }, null],
  "market.buy": [{ order: 7, point: "p", energy_wh: 500 }, null],
  "market.sell": [{ order: 7, point: "p" }, null],
  "market.counter": [{ order: 7, point: "p", price_micro: 200_000, energy_wh: 2_000 }, 40n],
  "market.accept": [{ order: 7 }, null],
  "market.cancel": [{ order: 7 }, null],
  "market.strategy": [
    { market: "m", point: "p", rule: "buy-below", price_micro: 1, energy_wh: 2, budget_minor: 300, until_ms: 9 },
    300n,
  ],
  "market.stop_strategy": [{ strategy: 3 }, null],
  "registry.claim": [{ premises: "north:house-1", code_hash: "ab".repeat(32) }, null],
  "registry.consent": [{ point: "p", reader: "ab", scopes: ["readings"], until_ms: 9 }, null],
  "registry.withdraw_consent": [{ point: "p", reader: "ab" }, null],
  "registry.add_wallet": [{ wallet: "ab" }, null],
  "registry.remove_wallet": [{ wallet: "ab" }, null],
  "identity.rotate": [{ certificate: "-----BEGIN", proof: "ab" }, null],
  "settlement.enroll": [{ point: "p", amount_minor: 5 }, 5n],
  "settlement.leave": [{ point: "p", area: "a" }, null],
  "governance.approve": [{ proposal: "5f1c" }, null],
  "governance.reject": [{ proposal: "5f1c" }, null],
  "billing.approve": [{ proposal: "5f1c" }, null],
  "commands.approve": [{ proposal: "5f1c" }, null],
  "tariff.propose_tariff": [{ tariff: { id: "north:t", utility: "north", zone, kind: "flat" }, from_ms: 9 }, null],
  "feeder.approve": [{ proposal: "5f1c" }, null],
  "market.approve": [{ proposal: "5f1c" }, null],
  "metering.approve": [{ proposal: "5f1c" }, null],
  "prepaid.approve": [{ proposal: "5f1c" }, null],
  "settlement.approve": [{ proposal: "5f1c" }, null],
  "tariff.approve": [{ proposal: "5f1c" }, null],
  "currency.approve": [{ issue: "5f1c" }, null],
  "registry.approve_claim": [{ premises: "north:1", wallet: "ab" }, null],
  "registry.refuse_claim": [{ premises: "north:1", wallet: "ab" }, null],
  "billing.run": [{ utility: "north", year: 2026, month: 10 }, null],
  "billing.propose_resolve": [{ invoice: "north:7", resolution: "the meter was right" }, null],
  "prepaid.propose_block": [{ point: "north:p", kind: "supply", on: true, reason: "safety" }, null],
};

describe.each(KNOWN_CALLS)("%s", (name) => {
  const [values, spends] = CALLS[name] ?? [{}, null];
  const [contract = "", called = ""] = name.split(".");

  it("is read, with every argument and the money it takes", () => {
    const reading = read(contract, called, values);
    expect(reading.call).toBe(name);
    expect(reading.warnings).toEqual([]);
    expect(reading.spendsMinor).toBe(spends);
    const shown = reading.lines.map((line) => String(line.shown.value));
    const plain = Object.values(values).filter((value) => typeof value !== "object" || Array.isArray(value));
    for (const value of plain) expect(shown).toContain(String(value));
  });

  it("with one argument more it is not known, and shown as it stands", () => {
    const reading = read(contract, called, { ...values, also_to: "mallory" });
    expect(reading.call).toBeNull();
    expect(reading.warnings).toContain("unknownCall");
    expect(reading.lines.map((line) => line.label)).toEqual([...Object.keys(values), "also_to"]);
    expect(reading.lines.at(-1)?.shown.value).toBe('"mallory"');
  });
});

it("draws what is signed, not what was meant", () => {
  const bytes = encodeBody(call("currency", "transfer", { to: "anna", amount_minor: 25 }, of));
  const text = utf8('"amount_minor":25');
  const at = bytes.findIndex((_, from) => text.every((byte, place) => bytes[from + place] === byte));
  bytes[at + text.length - 1] = "9".charCodeAt(0);
  expect(readingOf(bytes, expected).spendsMinor).toBe(29n);
});

it("warns of another ledger, another signer, and a signature that is good for too long", () => {
  const other = { chainId: fromHex("00".repeat(32)), creator: fromHex("01".repeat(32)) };
  const long = { replay: { nonce: newNonce(), validUntilMs: 1_000_000 + 600_001 } };
  expect(read("market", "cancel", { order: 1 }, { ...other, ...long }).warnings).toEqual([
    "otherLedger",
    "otherSigner",
    "longValid",
  ]);
  expect(read("market", "cancel", { order: 1 }, { replay: { sequence: 4n } }).warnings).toEqual(["sequence"]);
});

it("knows whether renewed bytes still say the same", () => {
  const [transfer, to] = [
    { to: "anna", amount_minor: 25 },
    { to: "otto", amount_minor: 25 },
  ];
  const once = read("currency", "transfer", transfer);
  const again = read("currency", "transfer", transfer, { replay: { nonce: newNonce(), validUntilMs: 1_400_000 } });
  expect(saysTheSame(once, again)).toBe(true);
  expect(saysTheSame(once, read("currency", "transfer", to))).toBe(false);
  expect(saysTheSame(once, read("currency", "transfer", transfer, { creator: fromHex("01".repeat(32)) }))).toBe(false);
});

it("shows a call that no page makes as it stands", () => {
  const reading = read("registry", "move_out", { premises: "north:house-1", at_ms: 5 });
  expect([reading.call, reading.warnings]).toEqual([null, ["unknownCall"]]);
  expect(reading.lines).toHaveLength(2);
});

it("refuses an argument of another kind than the sheet would say", () => {
  expect(read("prepaid", "reserve", { point: "p", amount_minor: ["1"], request: "r" }).call).toBeNull();
  expect(read("market", "cancel", { order: "7x" }).call).toBeNull();
});

it("rounds money once, half to even, whatever the currency's digits", () => {
  expect(worthMinor(1_000n, 245_000n, 2)).toBe(24n); // 24.5
  expect(worthMinor(1_000n, 255_000n, 2)).toBe(26n); // 25.5
  expect(worthMinor(1_000n, -245_000n, 2)).toBe(-24n);
  expect(worthMinor(1n, 1n, 2)).toBe(0n);
  expect(worthMinor(1_000n, 245_000n, 0)).toBe(0n);
  expect(worthMinor(1_000n, 245_001n, 6)).toBe(245_001n);
  expect(worthMinor(9_007_199_254_740_993n, 1_000_000n, 2)).toBe(900_719_925_474_099n);
  expect([halfEven(5n, 2n), halfEven(-5n, 2n), halfEven(-7n, 2n), halfEven(7n, 2n)]).toEqual([2n, -2n, -4n, 4n]);
});

describe("a tariff", () => {
  const tariff = {
    id: "north:day-night",
    utility: "north",
    zone,
    kind: "time_of_use",
    bands: [
      {
        name: "Day",
        price_micro: 300_000,
        season: "winter",
        day_type: "workday",
        from_minute: 390,
        until_minute: 1_320,
      },
      { name: "Night", price_micro: 180_000 },
    ],
    feed_in: [{ name: "Roof", price_micro: 80_000 }],
    fixed_minor: 900,
    tax_micro: 190_000,
    levies: [{ name: "Concession", price_micro: 16_000 }],
    seasons: [{ name: "winter", from: [10, 1] }],
    holidays: [],
  };
  const lines = (values: object) => read("tariff", "propose_tariff", { tariff: values, from_ms: 9 } as never).lines;

  it("is read by its times, what comes on top, and from when it holds", () => {
    const said = lines(tariff).map(({ label, of, shown }) => [label, of ?? "", String(shown.value)].join("|"));
    expect(said).toEqual([
      "tariff||north:day-night",
      "utility||north",
      "kind||time_of_use",
      "price|Day, winter, workday, 6:30–22:00|300000",
      "price|Night|180000",
      "feedIn|Roof|80000",
      "fixed_minor||900",
      "levy|Concession|16000",
      "tax_micro||190000",
      "zone||Berlin",
      "standard_minutes||60",
      "summer_minutes||120",
      'begins||{"month":3}',
      'ends||{"month":10}',
      'seasons||[{"name":"winter","from":[10,1]}]',
      "holdsFrom||9",
    ]);
  });

  it("by steps says up to where each price goes", () => {
    const steps = [
      { up_to_wh: 100_500, price_micro: 1 },
      { up_to_wh: 0, price_micro: 2 },
    ];
    const said = lines({ ...tariff, kind: "steps", bands: [], steps }).filter((line) => line.label === "price");
    expect(said.map((line) => line.of)).toEqual(["≤ 100.5 kWh", "∞"]);
  });

  it("that says more than is known, anywhere in it, is shown as it stands", () => {
    const bands = [{ name: "Day", price_micro: 1, also: 2 }];
    for (const other of [
      { ...tariff, bonus: 1 },
      { ...tariff, bands },
      { ...tariff, zone: { ...zone, also: 1 } },
    ]) {
      const reading = read("tariff", "propose_tariff", { tariff: other, from_ms: 9 } as never);
      expect([reading.call, reading.warnings]).toEqual([null, ["unknownCall"]]);
      expect(reading.lines[0]?.shown.value).toBe(JSON.stringify(other));
    }
  });
});

it("reads what others ask for by the same words, and nothing that it does not know", () => {
  expect(linesOf("billing.propose_resolve", { invoice: "north:7", resolution: "ok" }, 2)?.length).toBe(2);
  expect(linesOf("billing.propose_resolve", { invoice: "north:7", resolution: "ok", also: 1 }, 2)).toBeNull();
  expect([linesOf("registry.move_out", {}, 2), linesOf("billing.run", null, 2)]).toEqual([null, null]);
});
