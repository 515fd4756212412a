// Answers of the HTTP API that are no rows of the read model: what the ledger is, what became of a transaction.

import type { Zone } from "../format";

export interface ModelState {
  readonly height: number;
  readonly state: string;
  readonly behind: number;
  readonly time_ms: number;
}

export interface GroundInfo {
  readonly interval_ms: number;
  readonly currency: string;
  readonly digits: number;
  readonly zones: Readonly<Record<string, Zone>>;
}

/** `engine` and `parameters` are null while no node answers, `ground` while the read model does not. */
export interface LedgerInfo {
  readonly name: string;
  readonly chain_id: string;
  readonly engine: string | null;
  readonly parameters: { readonly budget: number; readonly validity_ms: number } | null;
  readonly ground: GroundInfo | null;
  readonly model: ModelState;
}

/** Such a ledger says so in its name, which stands in its founding document: it goes by a clock that is set forward. */
export const isSimulated = (ledger: LedgerInfo): boolean => ledger.name.startsWith("simulated-");

/** What became of a transaction; `code` is "" while it waits for its block. */
export interface Outcome {
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly height: number;
  readonly result: unknown;
}

/** Who is there. */
export interface Person {
  readonly identity: string;
  readonly organisation: string;
  readonly role: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** `currency.balance` */
export interface Balance {
  readonly available_minor: number;
  readonly escrow_minor: number;
  readonly total_minor: number;
}
