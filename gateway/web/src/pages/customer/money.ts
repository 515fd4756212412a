/** How bills stand, and the numbers that one types and sends. */

import type { InvoiceRow } from "../../api/rows";

/** As `/bills` answers it. */
export interface BillRow extends InvoiceRow {
  readonly open_minor: number;
  readonly status: string;
}

export const isOpen = (bill: BillRow): boolean => bill.open_minor > 0 && bill.status !== "handed_over";

/** A meter's number: 18 digits (11 or 13 in older ones), the last of which checks the others (Luhn). */
export function isPan(text: string): boolean {
  if (!/^\d{18}$/.test(text)) return false;
  const sum = [...text].reverse().reduce((total, digit, at) => {
    const value = Number(digit) * (at % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** A reference of one's own, so that the same call sent twice counts once. */
export function newRequest(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (one) => one.toString(16).padStart(2, "0")).join("");
}
