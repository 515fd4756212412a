/** Whole numbers as decimals, exactly: the digits are moved as text, for a float would lose the last of them. */

/** What the API sends: numbers while they are safe, text beyond 2^53. */
export type Whole = number | bigint | string;

export class NoWholeNumber extends Error {}

export function whole(value: Whole): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" ? Number.isSafeInteger(value) : /^-?\d+$/.test(value)) return BigInt(value);
  throw new NoWholeNumber(`${value} is no whole number`);
}

/** `shift(12345, 2)` is "123.45": the value over ten to the digits, all of it. */
export function shift(value: Whole, digits: number): string {
  const number = whole(value);
  const text = (number < 0n ? -number : number).toString().padStart(digits + 1, "0");
  const at = text.length - digits;
  const sign = number < 0n ? "-" : "";
  return digits === 0 ? `${sign}${text}` : `${sign}${text.slice(0, at)}.${text.slice(at)}`;
}

/**
 * What a person typed, as a whole number of the smallest unit: `unshift("12,5", 2, ",")` is 1250n. Null where it is no
 * number, or has more digits than the unit.
 */
export function unshift(text: string, digits: number, separator: string): bigint | null {
  const plain = text
    .trim()
    .replace(separator, ".")
    .replace(/[\s\u00a0\u202f]/g, "");
  const found = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(plain);
  if (!found) return null;
  const [, sign, before, after = ""] = found;
  const rest = after.replace(/0+$/, "");
  if (rest.length > digits) return null;
  const value = BigInt(`${before}${rest.padEnd(digits, "0")}`);
  return sign ? -value : value;
}

/** Part of a whole in millionths, rounded half up; 0 of nothing. */
export function micro(part: Whole, of: Whole): bigint {
  const divisor = whole(of);
  if (divisor === 0n) return 0n;
  const twice = whole(part) * 2_000_000n + divisor;
  const below = 2n * divisor;
  const quotient = twice / below;
  return twice % below < 0n ? quotient - 1n : quotient;
}
