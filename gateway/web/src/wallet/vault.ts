// Where a wallet's keys are kept: in this browser's IndexedDB, as keys that sign and cannot be read out.

import { type Bytes, toHex } from "../ledger/bytes";
import { identityOf } from "../ledger/keys";
import type { WalletKey } from "./phrase";

export interface Account {
  /** Identity id, hex: the first key's for ever, also after a rotation. */
  readonly identity: string;
  readonly name: string;
  readonly publicKey: Bytes;
  readonly privateKey: CryptoKey;
  readonly keptSinceMs: number;
}

const DATABASE = "ledgernode-wallet";
const STORE = "accounts";

/** Keep a key under its identity; one that is kept already is replaced (a rotation), its name stays. */
export async function keep(key: WalletKey, name: string, nowMs: number, identity?: string): Promise<Account> {
  const named = identity ?? toHex(await identityOf(key.publicKey));
  const account: Account = {
    identity: named,
    name,
    publicKey: key.publicKey,
    privateKey: key.privateKey,
    keptSinceMs: nowMs,
  };
  await within("readwrite", (store) => store.put(account));
  return account;
}

export async function accounts(): Promise<Account[]> {
  const found = await within("readonly", (store) => store.getAll() as IDBRequest<Account[]>);
  return found.sort((one, other) => one.keptSinceMs - other.keptSinceMs);
}

/** Forget a key here. Who has the phrase brings it back. */
export async function forget(identity: string): Promise<void> {
  await within("readwrite", (store) => store.delete(identity));
}

async function within<Result>(
  mode: IDBTransactionMode,
  use: (store: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const database = await opened();
  try {
    return await new Promise<Result>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = use(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? request.error);
    });
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "identity" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
