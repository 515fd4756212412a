// What a colleague proposes, before it is approved: by its words and units, nothing left out that says anything.

import { expect, it } from "vitest";
import { entriesOf } from "../src/pages/data";

const said = (value: unknown) => entriesOf(value).map(({ label, kind, value }) => `${label}|${kind}|${value}`);

it("reads figures by the unit that ends their name", () => {
  const values = {
    amount_minor: 5,
    energy_mwh: 7,
    limit_wh: 8,
    from_ms: 1_795_468_500_000,
    wait_ms: 60_000,
    year: 2026,
  };
  expect(said(values)).toEqual([
    "amount|money|5",
    "energy|energy|7",
    "limit|energyWh|8",
    "from|time|1795468500000",
    "wait|duration|60000",
    "year|text|2026",
  ]);
});

it("goes into what is nested, and leaves out only what is empty", () => {
  const market = {
    id: "m",
    note: "",
    feeders: ["a", "b"],
    windows: [{ from_minute: 60 }, { from_minute: 0 }],
    open: false,
  };
  expect(said({ market, from_ms: 0, none: null })).toEqual([
    "market · id|text|m",
    "market · feeders|text|a, b",
    "market · windows · 1 · from minute|text|60",
    "market · windows · 2 · from minute|text|0",
    "market · open|text|false",
  ]);
});

it("shows what lies too deep as it stands, and a text that ends like a unit as a text", () => {
  expect(said({ a: { b: { c: { d: { e: 1 } } } }, name_ms: "7" })).toEqual([
    'a · b · c · d|text|{"e":1}',
    "name ms|text|7",
  ]);
});
