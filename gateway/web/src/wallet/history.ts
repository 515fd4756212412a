// What this wallet has signed: the bytes themselves, so that each is drawn again from what was really signed, and what
// the ledger said to it.

import type { Bytes } from "../ledger/bytes";
import { SIGNED, within } from "./database";

export interface Signed {
  /** Transaction id, hex. */
  readonly id: string;
  readonly identity: string;
  readonly body: Bytes;
  readonly signedMs: number;
  /** The receipt's code; null until it is known. */
  readonly code: string | null;
  readonly message: string;
  readonly height: number;
}

const KEPT = 500;

export async function note(signed: Signed): Promise<void> {
  await within(SIGNED, "readwrite", (store) => store.put(signed));
  const all = await everything();
  for (const one of all.slice(KEPT)) await within(SIGNED, "readwrite", (store) => store.delete(one.id));
}

/** Newest first. */
export async function signedBy(identity: string): Promise<Signed[]> {
  return (await everything()).filter((one) => one.identity === identity);
}

async function everything(): Promise<Signed[]> {
  const found = await within(SIGNED, "readonly", (store) => store.getAll() as IDBRequest<Signed[]>);
  return found.sort((one, other) => other.signedMs - one.signedMs);
}
