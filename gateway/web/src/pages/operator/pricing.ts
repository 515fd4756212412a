/**
 * What a tariff would make of energy that was measured: an invoice's lines for import, fees, levies, fixed charge, tax
 * and feed-in, in the order and with the rounding of `chaincode.pricing` (half to even, once a line). For a preview:
 * what hangs on a month's peak or on reactive energy is left out, and no invoice is made of this.
 */

import { offsetMs, type Zone } from "../../format/zone";

export interface Band {
  readonly name: string;
  readonly price_micro: number;
  readonly season?: string;
  readonly day_type?: string;
  readonly from_minute?: number;
  readonly until_minute?: number;
}

export interface Tariff {
  readonly id: string;
  readonly utility: string;
  readonly zone: Zone;
  readonly kind: "flat" | "time_of_use" | "steps";
  readonly bands?: readonly Band[];
  readonly steps?: readonly { readonly up_to_wh: number; readonly price_micro: number }[];
  readonly feed_in?: readonly Band[];
  readonly net_metering?: string;
  readonly fixed_minor?: number;
  readonly grid_fee_micro?: number;
  readonly export_fee_micro?: number;
  readonly levies?: readonly { readonly name: string; readonly price_micro: number }[];
  readonly tax_micro?: number;
  readonly seasons?: readonly { readonly name: string; readonly from_mmdd: number; readonly until_mmdd: number }[];
  readonly day_types?: readonly {
    readonly name: string;
    readonly weekdays: readonly number[];
    readonly holidays?: boolean;
  }[];
  readonly holidays?: readonly number[];
}

export interface Taken {
  readonly from_ms: number;
  readonly import_mwh: number;
  readonly export_mwh: number;
}

export interface Line {
  readonly kind: "import" | "grid_fee" | "levy" | "fixed" | "tax" | "feed_in" | "export_fee";
  readonly name: string;
  readonly quantity: bigint;
  readonly priceMicro: number;
  readonly amountMinor: bigint;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const MINUTES_A_DAY = 1_440;
const PICO_DIGITS = 12;

export function halfEven(numerator: bigint, denominator: bigint): bigint {
  let whole = numerator / denominator;
  let rest = numerator % denominator;
  if (rest < 0n) [whole, rest] = [whole - 1n, rest + denominator];
  const up = 2n * rest > denominator || (2n * rest === denominator && whole % 2n !== 0n);
  return up ? whole + 1n : whole;
}

/** The first band that an instant lies in, by its place; -1 if none. */
export function bandAt(tariff: Tariff, bands: readonly Band[], timeMs: number): number {
  const wall = timeMs + offsetMs(tariff.zone, timeMs);
  const day = Math.floor(wall / DAY_MS);
  const minute = Math.floor((wall - day * DAY_MS) / MINUTE_MS);
  const date = new Date(day * DAY_MS);
  const mmdd = (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
  const season = tariff.seasons?.find(({ from_mmdd: from, until_mmdd: until }) =>
    from <= until ? from <= mmdd && mmdd <= until : mmdd >= from || mmdd <= until,
  )?.name;
  const type = dayType(tariff, day);
  return bands.findIndex(
    (band) =>
      (!band.season || band.season === season) &&
      (!band.day_type || band.day_type === type) &&
      minute >= (band.from_minute ?? 0) &&
      minute < (band.until_minute ?? MINUTES_A_DAY),
  );
}

function dayType(tariff: Tariff, day: number): string | undefined {
  const types = tariff.day_types ?? [];
  const holiday = tariff.holidays?.includes(day) ? types.find((one) => one.holidays) : undefined;
  return (holiday ?? types.find((one) => one.weekdays.includes((day + 3) % 7)))?.name;
}

/** The import price at each minute of a day where it changes, for a drawing: `[minute, micro]`. */
export function pricesOfDay(tariff: Tariff, dayMs: number): [number, number][] {
  const found: [number, number][] = [];
  for (let minute = 0; minute < MINUTES_A_DAY; minute += 15) {
    const place = bandAt(tariff, tariff.bands ?? [], dayMs + minute * MINUTE_MS);
    const price = tariff.kind === "steps" ? tariff.steps?.[0]?.price_micro : tariff.bands?.[place]?.price_micro;
    if (price !== undefined) found.push([dayMs + minute * MINUTE_MS, price]);
  }
  return found;
}

/** Lines for what was taken and given in `days` of a month of `daysInMonth`. */
export function previewed(
  tariff: Tariff,
  taken: readonly Taken[],
  days: number,
  daysInMonth: number,
  digits: number,
): Line[] {
  const bands = tariff.bands ?? [];
  const exportBands = tariff.net_metering === "money" ? bands : (tariff.feed_in ?? []);
  const imported = bands.map(() => 0n);
  const exported = exportBands.map(() => 0n);
  let total = 0n;
  let given = 0n;
  for (const one of taken) {
    total += BigInt(one.import_mwh);
    given += BigInt(one.export_mwh);
    add(imported, bandAt(tariff, bands, one.from_ms), one.import_mwh);
    add(exported, bandAt(tariff, exportBands, one.from_ms), one.export_mwh);
  }
  if (tariff.net_metering === "energy") {
    exported.forEach((_, place) => {
      imported.forEach((_, against) => {
        const [left, bought] = [exported[place] ?? 0n, imported[against] ?? 0n];
        const offset = left < bought ? left : bought;
        exported[place] = left - offset;
        imported[against] = bought - offset;
        total -= offset;
        given -= offset;
      });
    });
  }
  const energy = (kind: Line["kind"], name: string, price: number, quantity: bigint): Line => ({
    kind,
    name,
    quantity,
    priceMicro: price,
    amountMinor: halfEven(BigInt(price) * quantity, 10n ** BigInt(PICO_DIGITS - digits)),
  });
  const lines: Line[] = [];
  if (tariff.kind === "steps") {
    byStep(tariff.steps ?? [], total).forEach((quantity, at) => {
      if (quantity) lines.push(energy("import", `${at + 1}`, tariff.steps?.[at]?.price_micro ?? 0, quantity));
    });
  } else {
    bands.forEach((band, place) => {
      const quantity = imported[place] ?? 0n;
      if (quantity) lines.push(energy("import", band.name, band.price_micro, quantity));
    });
  }
  if (total && tariff.grid_fee_micro) lines.push(energy("grid_fee", "", tariff.grid_fee_micro, total));
  if (total) for (const levy of tariff.levies ?? []) lines.push(energy("levy", levy.name, levy.price_micro, total));
  if (tariff.fixed_minor) {
    const amountMinor = halfEven(BigInt(tariff.fixed_minor) * BigInt(days), BigInt(daysInMonth));
    lines.push({ kind: "fixed", name: "", quantity: BigInt(days), priceMicro: 0, amountMinor });
  }
  const net = lines.reduce((sum, line) => sum + line.amountMinor, 0n);
  if (tariff.tax_micro && net) {
    const amountMinor = halfEven(BigInt(tariff.tax_micro) * net, 1_000_000n);
    lines.push({ kind: "tax", name: "", quantity: net, priceMicro: tariff.tax_micro, amountMinor });
  }
  exportBands.forEach((band, place) => {
    const quantity = exported[place] ?? 0n;
    if (quantity) lines.push(energy("feed_in", band.name, -band.price_micro, quantity));
  });
  if (given && tariff.export_fee_micro) lines.push(energy("export_fee", "", tariff.export_fee_micro, given));
  return lines;
}

function add(sums: bigint[], place: number, energy: number): void {
  if (place >= 0) sums[place] = (sums[place] ?? 0n) + BigInt(energy);
}

function byStep(steps: NonNullable<Tariff["steps"]>, total: bigint): bigint[] {
  let low = 0n;
  return steps.map((step) => {
    const high = step.up_to_wh ? BigInt(step.up_to_wh) * 1_000n : total > low ? total : low;
    const part = (total < high ? total : high) - low;
    low = high;
    return part > 0n ? part : 0n;
  });
}
