/** What a call asks for: as the sheet says it where it knows the call, else its data in words and figures. */

import { type Format, useFormat } from "../format";
import { Facts, Hash } from "../ui";
import { Lines } from "../wallet/ConfirmSheet";
import { linesOf } from "../wallet/reading";
import { type Entry, entriesOf } from "./data";

export function Data({ call, value }: { call: string; value: unknown }) {
  const format = useFormat();
  const lines = linesOf(call, value, format.ground.digits);
  if (lines) return <Lines of={lines} />;
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
