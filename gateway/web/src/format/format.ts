/**
 * Money, energy, power, prices and time for people, by their language and by the ledger's currency and zone. Whole
 * numbers come in (minor units, mWh, mW, millionths, UTC milliseconds); `Intl` gets exact decimal text.
 */

import { shift, unshift, type Whole, whole } from "./decimal";
import { offsetMs, UTC, type Zone } from "./zone";

export interface Ground {
  readonly language: string;
  readonly currency: string;
  readonly digits: number;
  readonly zone: Zone;
}

export interface Format {
  readonly ground: Ground;
  /** "€ 12.34" */
  money(minor: Whole): string;
  /** "+€ 12.34", for what an account gained or lost */
  moved(minor: Whole): string;
  /** "12.34", for fields that say their currency beside them */
  moneyPlain(minor: Whole): string;
  /** "1.25 kWh"; Wh below one tenth of a kWh, MWh from 10,000 kWh on */
  energy(milliwattHours: Whole): string;
  /** From watt hours, as markets count */
  energyWh(wattHours: Whole): string;
  /** "3.4 kW", from mW */
  power(milliwatts: Whole): string;
  /** "250 kVA", from VA */
  apparent(voltAmperes: Whole): string;
  /** "230.1 V", from mV */
  voltage(millivolts: Whole): string;
  /** "16.2 A", from mA */
  current(milliamperes: Whole): string;
  /** "61.5 °C", from thousandths */
  temperature(milli: Whole): string;
  /** "€ 0.24510/kWh", from millionths of a major unit */
  price(micro: Whole): string;
  /** "84.2 %", from millionths */
  share(micro: Whole, digits?: number): string;
  number(value: Whole): string;
  /** "12 kB" */
  bytes(count: number): string;
  time(timeMs: number): string;
  /** With seconds, for what happens in a moment */
  moment(timeMs: number): string;
  date(timeMs: number): string;
  month(timeMs: number): string;
  clock(timeMs: number): string;
  /** "3 minutes ago", "in 2 days" */
  since(timeMs: number, nowMs: number): string;
  /** "2.4 s", "3 h" */
  duration(milliseconds: number): string;
  /** What was typed, in the currency's smallest unit; null if it is no amount */
  readMoney(text: string): bigint | null;
  /** What was typed in kWh, as mWh; null if it is none */
  readEnergy(text: string): bigint | null;
}

const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["second", 1_000],
  ["minute", 60_000],
  ["hour", 3_600_000],
  ["day", 86_400_000],
  ["month", 2_629_800_000],
  ["year", 31_557_600_000],
];

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** `Intl` takes a decimal as text and keeps all of it. */
function exactly(format: Intl.NumberFormat, decimal: string): string {
  return format.format(decimal as Intl.StringNumericLiteral);
}

export function makeFormat(ground: Ground): Format {
  const { language, currency, digits, zone } = ground;
  const isCode = /^[A-Z]{3}$/.test(currency);
  const made = new Map<string, Intl.NumberFormat>();
  const by = (name: string, options: Intl.NumberFormatOptions): Intl.NumberFormat => {
    const known = made.get(name) ?? new Intl.NumberFormat(language, options);
    made.set(name, known);
    return known;
  };
  const digitsOf = (least: number, most: number) => ({ minimumFractionDigits: least, maximumFractionDigits: most });
  const amount = (name: string, decimal: string, options: Intl.NumberFormatOptions): string => {
    if (isCode) return exactly(by(name, { style: "currency", currency, ...options }), decimal);
    return `${exactly(by(name, options), decimal)} ${currency}`;
  };
  const unit = (value: Whole, power: number, name: string, least: number, most: number): string =>
    `${exactly(by(`${least}-${most}`, digitsOf(least, most)), shift(value, power))}\u00a0${name}`;
  const separator =
    by("plain", {})
      .formatToParts(1.5)
      .find((part) => part.type === "decimal")?.value ?? ".";
  const wall = (timeMs: number) => timeMs + offsetMs(zone, timeMs);
  const clockOf = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options });
    return (timeMs: number) => format.format(wall(timeMs));
  };
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

  const format: Format = {
    ground,
    money: (minor) => amount("money", shift(minor, digits), digitsOf(digits, digits)),
    moved: (minor) => amount("moved", shift(minor, digits), { ...digitsOf(digits, digits), signDisplay: "exceptZero" }),
    moneyPlain: (minor) => exactly(by(`${digits}-${digits}`, digitsOf(digits, digits)), shift(minor, digits)),
    energy(value) {
      const size = absolute(whole(value));
      if (size !== 0n && size < 100_000n) return unit(value, 3, "Wh", 0, 1);
      if (size >= 10_000_000_000n) return unit(value, 9, "MWh", 1, 2);
      return unit(value, 6, "kWh", 0, size < 10_000_000n ? 2 : 1);
    },
    energyWh: (value) => format.energy(whole(value) * 1_000n),
    power(value) {
      const size = absolute(whole(value));
      if (size < 1_000_000n) return unit(value, 3, "W", 0, 0);
      return size >= 1_000_000_000n ? unit(value, 9, "MW", 1, 2) : unit(value, 6, "kW", 1, 2);
    },
    apparent: (value) => (absolute(whole(value)) < 1_000n ? unit(value, 0, "VA", 0, 0) : unit(value, 3, "kVA", 0, 1)),
    voltage: (value) => unit(value, 3, "V", 1, 1),
    current: (value) => unit(value, 3, "A", 1, 1),
    temperature: (value) => unit(value, 3, "°C", 1, 1),
    price: (value) => `${amount("price", shift(value, 6), digitsOf(Math.min(digits + 2, 4), 6))}/kWh`,
    share: (value, most = 1) =>
      exactly(by(`share-${most}`, { style: "percent", ...digitsOf(most, most) }), shift(value, 6)),
    number: (value) => by("plain", {}).format(whole(value)),
    bytes(count) {
      const large = count >= 10_000;
      const name = large ? "kilobyte" : "byte";
      return by(name, { style: "unit", unit: name, maximumFractionDigits: 0 }).format(large ? count / 1_000 : count);
    },
    time: clockOf({ dateStyle: "medium", timeStyle: "short" }),
    moment: clockOf({ dateStyle: "medium", timeStyle: "medium" }),
    date: clockOf({ dateStyle: "medium" }),
    month: clockOf({ month: "long", year: "numeric" }),
    clock: clockOf({ timeStyle: "short" }),
    since(timeMs, nowMs) {
      const away = timeMs - nowMs;
      const size = Math.abs(away);
      const step = STEPS.findLast(([, length]) => size >= length) ?? (["second", 1_000] as const);
      return relative.format(Math.trunc(away / step[1]), step[0]);
    },
    duration(milliseconds) {
      const step = STEPS.slice(0, 4).findLast(([, length]) => milliseconds >= length);
      const [name, length] = step ?? (["millisecond", 1] as const);
      const most = name === "second" ? 1 : 0;
      const options = { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: most } as const;
      return by(`duration-${name}`, options).format(milliseconds / length);
    },
    readMoney: (text) => unshift(text, digits, separator),
    readEnergy: (text) => unshift(text, 6, separator),
  };
  return format;
}

/** Until the ledger has said its own. */
export const BARE: Ground = { language: "en", currency: "", digits: 2, zone: UTC };
