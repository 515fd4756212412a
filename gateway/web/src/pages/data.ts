// What somebody proposes, line by line: names by their words, figures by the unit that ends their name. What is signed
// names a proposal by its hash alone, so this is what the second person judges by.

export type Kind = "money" | "energy" | "energyWh" | "power" | "time" | "duration" | "text";

export interface Entry {
  readonly label: string;
  readonly kind: Kind;
  readonly value: string | number;
}

const UNITS: readonly (readonly [string, Kind])[] = [
  ["_minor", "money"],
  ["_mwh", "energy"],
  ["_wh", "energyWh"],
  ["_mw", "power"],
  ["_ms", "time"],
];
/** Below it, milliseconds are how long something takes, not when it is. */
const FIRST_TIME_MS = 100_000_000_000;
const DEEPEST = 4;

export function entriesOf(value: unknown, path: readonly string[] = []): readonly Entry[] {
  if (value === null || value === "" || value === undefined) return [];
  if (typeof value === "object" && path.length < DEEPEST) {
    const named = Array.isArray(value) && value.every((one) => typeof one !== "object");
    if (named) return value.length ? [{ label: words(path), kind: "text", value: value.join(", ") }] : [];
    return Object.entries(value).flatMap(([name, one]) =>
      entriesOf(one, [...path, Array.isArray(value) ? `${Number(name) + 1}` : name]),
    );
  }
  if (typeof value === "object") return [{ label: words(path), kind: "text", value: JSON.stringify(value) }];
  const last = path.at(-1) ?? "";
  const [unit, kind] = (typeof value === "number" && UNITS.find(([ending]) => last.endsWith(ending))) || ["", "text"];
  const label = words([...path.slice(0, -1), unit ? last.slice(0, -unit.length) : last]);
  if (kind === "time" && value === 0) return [];
  const isSpan = kind === "time" && Number(value) < FIRST_TIME_MS;
  return [{ label, kind: isSpan ? "duration" : kind, value: typeof value === "number" ? value : String(value) }];
}

const words = (path: readonly string[]): string => path.map((name) => name.replaceAll("_", " ")).join(" · ");
