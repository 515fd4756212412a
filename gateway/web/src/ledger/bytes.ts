// Bytes as the ledger writes them: big-endian, unsigned, hashed with SHA-256.

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export const utf8 = (text: string): Bytes => encoder.encode(text);
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");

export function fromHex(text: string): Bytes {
  if (text.length % 2 || /[^0-9a-f]/.test(text)) throw new RangeError("hex has an even number of digits 0-9 and a-f");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A number as so many bytes; refuses what does not fit. */
export function big(value: bigint | number, size: number): Bytes {
  let left = BigInt(value);
  if (left < 0n || left >= 1n << BigInt(8 * size)) throw new RangeError(`${value} does not fit ${size} bytes`);
  const bytes = new Uint8Array(size);
  for (let at = size - 1; at >= 0; at--) {
    bytes[at] = Number(left & 0xffn);
    left >>= 8n;
  }
  return bytes;
}

export const toNumber = (bytes: Uint8Array): bigint => bytes.reduce((sum, one) => (sum << 8n) | BigInt(one), 0n);

export const sha256 = async (bytes: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** The mark that each kind of bytes begins with, so that one never passes for another. */
export const tag = (name: string): Bytes => utf8(`ledgernode/${name}/1\0`);
