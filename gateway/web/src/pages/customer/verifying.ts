/**
 * What of a bill can be checked in a browser: that the ledger is the wallet's own, that enough of its validators have
 * signed the block, that the receipt which issued the bill is in that block, and that it says what the page shows. What
 * cannot be is not called checked.
 */

import type { Bytes } from "../../ledger/bytes";
import { type CheckedProof, checkProof, ProofInvalid } from "../../ledger/proof";
import type { BillRow } from "./money";

export interface Line {
  readonly kind: string;
  readonly name: string;
  readonly quantity: number;
  readonly unit: string;
  readonly price_micro: number;
  readonly amount_minor: number;
}

export interface Checked {
  readonly proof: CheckedProof;
  /** The lines add up; null where there were none to add. */
  readonly sum: boolean | null;
}

interface Issued {
  readonly invoice: string;
  readonly point: string;
  readonly customer: string;
  readonly total_minor: number;
}

/** Throws ProofInvalid with what does not hold. */
export async function checkBill(
  bill: Pick<BillRow, "invoice" | "point" | "customer" | "total_minor">,
  lines: readonly Line[] | null,
  proofText: string,
  genesis: Bytes,
  chainId: string,
): Promise<Checked> {
  const proof = await checkProof(proofText, genesis);
  if (proof.chainId !== chainId) throw new ProofInvalid("the proof is of another ledger than the wallet's");
  if (proof.receipt.code !== "OK") throw new ProofInvalid(`the receipt says ${proof.receipt.code}: it took no effect`);
  const issued = proof.receipt.events
    .filter((event) => event.contract === "billing" && event.name === "InvoiceIssued")
    .map((event) => event.payload as Issued)
    .find((one) => one.invoice === bill.invoice);
  if (!issued) throw new ProofInvalid("the receipt issued no bill of this number");
  for (const name of ["total_minor", "point", "customer"] as const) {
    if (issued[name] !== bill[name]) throw new ProofInvalid(`the receipt has another ${name} than this page`);
  }
  const sum = lines === null ? null : addUp(lines) === BigInt(bill.total_minor);
  return { proof, sum };
}

export const addUp = (lines: readonly Line[]): bigint =>
  lines.reduce((sum, line) => sum + BigInt(line.amount_minor), 0n);
