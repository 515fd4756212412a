/** Sums of bills, in whole minor units. */

import type { InvoiceRow } from "../../api/rows";

/** What is still to be paid, never below zero. */
export function leftOf(bill: InvoiceRow): number {
  return Math.max(0, bill.total_minor - bill.received_minor - bill.credited_minor);
}

export const isOpen = (bill: InvoiceRow): boolean => bill.settled_ms === 0 && bill.total_minor > 0 && leftOf(bill) > 0;

export type BillState = "paid" | "open" | "overdue" | "disputed" | "credit";

export function stateOf(bill: InvoiceRow): BillState {
  if (bill.total_minor < 0) return "credit";
  if (bill.dispute === "open") return "disputed";
  if (!isOpen(bill)) return "paid";
  return bill.overdue ? "overdue" : "open";
}

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
