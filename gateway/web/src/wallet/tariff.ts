// A tariff as it is proposed, line by line: which prices, at which times, what comes on top. All that it says ends up on
// the sheet: what has no words of its own (the days of seasons, when clocks change) as it stands.

import { shift } from "../format/decimal";
import { type Line, line, type Taken } from "./taken";

const DAY_MINUTES = 1_440n;
/** Shown though it is nothing: that there is no tax is worth knowing before one signs. */
const SUMS = ["fixed_minor", "capacity_minor", "minimum_minor"] as const;
const PRICES = ["grid_fee_micro", "export_fee_micro", "reactive_micro"] as const;
const AS_THEY_STAND = ["reactive_quadrants", "seasons", "day_types", "holidays"] as const;

export function tariffLines(tariff: Taken): Line[] {
  const lines = [tariff.id("id", "tariff"), tariff.id("utility"), tariff.code("kind")];
  for (const band of tariff.each("bands")) lines.push(priced(band, "price"));
  for (const step of tariff.each("steps")) {
    const end = step.whole("up_to_wh");
    lines.push({ ...line("price", "price", step.whole("price_micro")), of: end ? `≤ ${kilowattHours(end)} kWh` : "∞" });
    step.end();
  }
  for (const band of tariff.each("feed_in")) lines.push(priced(band, "feedIn"));
  for (const name of SUMS) lines.push(...sum(tariff, name, "money"));
  for (const name of PRICES) lines.push(...sum(tariff, name, "price"));
  for (const levy of tariff.each("levies")) {
    lines.push({ ...line("levy", "price", levy.whole("price_micro")), of: levy.text("name") });
    levy.end();
  }
  for (const name of ["tax_micro", "reactive_free_micro"]) lines.push(...sum(tariff, name, "share"));
  lines.push(...tariff.words("net_metering"));
  lines.push(...tariff.asItStands("prepaid_class"));
  const zone = tariff.fields("zone");
  lines.push(line("zone", "text", zone.text("name")));
  for (const name of ["standard_minutes", "summer_minutes", "begins", "ends"]) lines.push(...zone.asItStands(name));
  zone.end();
  for (const name of AS_THEY_STAND) lines.push(...tariff.asItStands(name));
  tariff.end();
  return lines;
}

function priced(band: Taken, label: string): Line {
  const [from, until] = [band.optional("from_minute"), band.optional("until_minute", DAY_MINUTES)];
  const hours = from > 0n || until < DAY_MINUTES ? `${clock(from)}–${clock(until)}` : "";
  const said = [band.text("name"), band.text("season", ""), band.text("day_type", ""), hours];
  const shown = { ...line(label, "price", band.whole("price_micro")), of: said.filter(Boolean).join(", ") };
  band.end();
  return shown;
}

function sum(tariff: Taken, name: string, kind: "money" | "price" | "share"): Line[] {
  return tariff.has(name) ? [line(name, kind, tariff.whole(name))] : [];
}

const kilowattHours = (wattHours: bigint): string => shift(wattHours, 3).replace(/\.?0+$/, "");

const clock = (minute: bigint): string => `${minute / 60n}:${String(minute % 60n).padStart(2, "0")}`;
