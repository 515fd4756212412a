/** Data of a proposal in words and figures. */

import { type Format, useFormat } from "../format";
import { Facts, Hash } from "../ui";
import { type Entry, entriesOf } from "./data";

export function Data({ value }: { value: unknown }) {
  const format = useFormat();
  return <Facts of={entriesOf(value).map((entry) => [entry.label, shown(entry, format)] as const)} />;
}

function shown({ kind, value, label }: Entry, format: Format) {
  if (typeof value === "string") return /^[0-9a-f]{64}$/.test(value) ? <Hash key={label} value={value} /> : value;
  switch (kind) {
    case "money":
      return format.money(value);
    case "energy":
      return format.energy(value);
    case "energyWh":
      return format.energyWh(value);
    case "power":
      return format.power(value);
    case "time":
      return format.time(value);
    case "duration":
      return format.duration(value);
    default:
      return format.number(value);
  }
}
