import { describe, expect, it } from "vitest";
import { micro, NoWholeNumber, shift, unshift } from "../src/format/decimal";
import { makeFormat } from "../src/format/format";
import { dayStart, monthStart, offsetMs, UTC, type Zone } from "../src/format/zone";

const AMSTERDAM: Zone = {
  name: "Europe/Amsterdam",
  standard_minutes: 60,
  summer_minutes: 120,
  begins: { month: 3, week: 5, weekday: 6, minute: 60, utc: true },
  ends: { month: 10, week: 5, weekday: 6, minute: 60, utc: true },
};
const english = makeFormat({ language: "en-GB", currency: "EUR", digits: 2, zone: AMSTERDAM });
const german = makeFormat({ language: "de-DE", currency: "EUR", digits: 2, zone: AMSTERDAM });
const spaces = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

describe("decimals", () => {
  it("keep every digit of what no float holds", () => {
    expect(shift("90071992547409931234", 3)).toBe("90071992547409931.234");
    expect(english.money("900719925474099312")).toBe("€9,007,199,254,740,993.12");
    expect(shift(-5, 2)).toBe("-0.05");
    expect(shift(7, 0)).toBe("7");
  });
  it("refuse what is no whole number", () => {
    expect(() => shift(0.1, 2)).toThrow(NoWholeNumber);
    expect(() => shift(2 ** 53, 2)).toThrow(NoWholeNumber);
    expect(() => shift("1e3", 2)).toThrow(NoWholeNumber);
  });
  it("read what people type, and nothing finer than the unit", () => {
    expect(unshift("12,5", 2, ",")).toBe(1250n);
    expect(unshift("12.50", 2, ".")).toBe(1250n);
    expect(unshift("12.505", 2, ".")).toBeNull();
    expect(unshift("1.234,5", 2, ",")).toBeNull();
    expect(unshift("zwölf", 2, ",")).toBeNull();
    expect(unshift("-3", 2, ".")).toBe(-300n);
    expect(german.readEnergy("10,25")).toBe(10_250_000n);
    expect(english.readMoney("")).toBeNull();
  });
  it("round shares to the nearest millionth, and know that nothing has no share", () => {
    expect(micro(1, 3)).toBe(333_333n);
    expect(micro(2, 3)).toBe(666_667n);
    expect(micro(-1, 3)).toBe(-333_333n);
    expect(micro(5, 0)).toBe(0n);
  });
});

describe("figures", () => {
  it("write money with the ledger's digits in the language's way", () => {
    expect(english.money(123456)).toBe("€1,234.56");
    expect(spaces(german.money(123456))).toBe("1.234,56 €");
    expect(english.moved(-5)).toBe("-€0.05");
    expect(english.moved(5)).toBe("+€0.05");
    const coins = makeFormat({ language: "en-GB", currency: "SUN", digits: 4, zone: UTC });
    expect(spaces(coins.money(10_001))).toBe("SUN 1.0001");
    expect(makeFormat({ language: "en", currency: "tokens", digits: 0, zone: UTC }).money(7)).toBe("7 tokens");
  });
  it("choose the unit of energy that a person reads", () => {
    expect(spaces(english.energy(0))).toBe("0 kWh");
    expect(spaces(english.energy(1_500))).toBe("1.5 Wh");
    expect(spaces(english.energy(1_250_000))).toBe("1.25 kWh");
    expect(spaces(english.energy(-12_345_678))).toBe("-12.3 kWh");
    expect(spaces(german.energy(12_345_678_900))).toBe("12,35 MWh");
    expect(spaces(english.energyWh(10_000))).toBe("10 kWh");
  });
  it("write power, prices and shares", () => {
    expect(spaces(english.power(421_400))).toBe("421 W");
    expect(spaces(english.power(3_400_000))).toBe("3.4 kW");
    expect(english.price(245_100)).toBe("€0.2451/kWh");
    expect(english.share(842_000)).toBe("84.2%");
    expect(spaces(german.share(842_000))).toBe("84,2 %");
    expect(spaces(english.voltage(230_149))).toBe("230.1 V");
  });
});

describe("time", () => {
  it("follows the ledger's zone through both changes of the year", () => {
    const spring = Date.UTC(2026, 2, 29, 1);
    expect(offsetMs(AMSTERDAM, spring - 1)).toBe(3_600_000);
    expect(offsetMs(AMSTERDAM, spring)).toBe(7_200_000);
    expect(english.clock(spring - 60_000)).toBe("01:59");
    expect(english.clock(spring)).toBe("03:00");
    const autumn = Date.UTC(2026, 9, 25, 1);
    expect(offsetMs(AMSTERDAM, autumn - 1)).toBe(7_200_000);
    expect(offsetMs(AMSTERDAM, autumn)).toBe(3_600_000);
  });
  it("knows that a day may have 23 or 25 hours", () => {
    const noon = Date.UTC(2026, 2, 29, 10);
    expect(dayStart(AMSTERDAM, noon, 1) - dayStart(AMSTERDAM, noon)).toBe(23 * 3_600_000);
    const later = Date.UTC(2026, 9, 25, 10);
    expect(dayStart(AMSTERDAM, later, 1) - dayStart(AMSTERDAM, later)).toBe(25 * 3_600_000);
    expect(monthStart(AMSTERDAM, later)).toBe(Date.UTC(2026, 8, 30, 22));
    expect(monthStart(AMSTERDAM, later, 1)).toBe(Date.UTC(2026, 9, 31, 23));
  });
  it("agrees with the browser's own data for a zone that both know", () => {
    const theirs = new Intl.DateTimeFormat("en-GB", {
      timeZone: "Europe/Amsterdam",
      dateStyle: "medium",
      timeStyle: "medium",
    });
    for (let at = Date.UTC(2025, 0, 1); at < Date.UTC(2027, 0, 1); at += 37 * 3_599_000) {
      expect(english.moment(at)).toBe(theirs.format(at));
    }
  });
  it("says how long ago", () => {
    expect(english.since(0, 200_000)).toBe("3 minutes ago");
    expect(german.since(172_800_000, 0)).toBe("übermorgen");
    expect(english.duration(2_400)).toBe("2.4 secs");
  });
});
