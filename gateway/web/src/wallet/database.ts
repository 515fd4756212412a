// This browser's own storage of the wallet: keys, what was signed, and what a sign-up waits for.

export const ACCOUNTS = "accounts";
export const SIGNED = "signed";

const DATABASE = "ledgernode-wallet";
const VERSION = 2;

/** One question within a transaction of its own, on disk when it is answered. */
export async function within<Result>(
  store: string,
  mode: IDBTransactionMode,
  use: (store: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const database = await opened();
  try {
    return await new Promise<Result>((resolve, reject) => {
      const transaction = database.transaction(store, mode, { durability: "strict" });
      const request = use(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? request.error);
    });
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = (change) => {
      if (change.oldVersion < 1) request.result.createObjectStore(ACCOUNTS, { keyPath: "identity" });
      if (change.oldVersion < 2) request.result.createObjectStore(SIGNED, { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
