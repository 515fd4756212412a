// Where a wallet's keys are kept: in this browser's IndexedDB, as keys that sign and cannot be read out.

import { type Bytes, toHex } from "../ledger/bytes";
import { identityOf } from "../ledger/keys";
import { ACCOUNTS, within } from "./database";
import type { WalletKey } from "./phrase";

export interface Account {
  /** Identity id, hex: the first key's for ever, also after a rotation. */
  readonly identity: string;
  readonly name: string;
  readonly publicKey: Bytes;
  readonly privateKey: CryptoKey;
  readonly keptSinceMs: number;
  /** The ledger that it was first used on: a key is of one ledger, and signs for no other. */
  readonly chainId?: string;
}

/** Keep a key under its identity; one that is kept already is replaced (a rotation), its name and ledger stay. */
export async function keep(key: WalletKey, name: string, nowMs: number, identity?: string): Promise<Account> {
  const named = identity ?? toHex(await identityOf(key.publicKey));
  const known = await within(ACCOUNTS, "readonly", (store) => store.get(named) as IDBRequest<Account | undefined>);
  const account: Account = {
    identity: named,
    name,
    publicKey: key.publicKey,
    privateKey: key.privateKey,
    keptSinceMs: nowMs,
    ...(known?.chainId ? { chainId: known.chainId } : {}),
  };
  await within(ACCOUNTS, "readwrite", (store) => store.put(account));
  return account;
}

export async function accounts(): Promise<Account[]> {
  const found = await within(ACCOUNTS, "readonly", (store) => store.getAll() as IDBRequest<Account[]>);
  return found.sort((one, other) => one.keptSinceMs - other.keptSinceMs);
}

/** What else becomes known of an account: its ledger, another name, its identity after a recovery. */
export async function amend(account: Account, change: Partial<Account>): Promise<Account> {
  const amended = { ...account, ...change };
  if (amended.identity !== account.identity) await forget(account.identity);
  await within(ACCOUNTS, "readwrite", (store) => store.put(amended));
  return amended;
}

/** Forget a key here. Who has the phrase brings it back. */
export async function forget(identity: string): Promise<void> {
  await within(ACCOUNTS, "readwrite", (store) => store.delete(identity));
}
