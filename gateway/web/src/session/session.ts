// Entering by the wallet's key: a challenge of this ledger for this page, signed; then a cookie that no script reads.

import type { Person } from "../api/answers";
import { api } from "../api/client";
import { isSignedOut } from "../api/problem";
import { fromHex, toHex } from "../ledger/bytes";
import { entryMessage, sign } from "../ledger/keys";
import { type Account, amend } from "../wallet/vault";

interface Asked {
  readonly chain_id: string;
  readonly origin: string;
  readonly nonce: string;
  readonly expires_ms: number;
}

/** This key belongs to another ledger than the one that is served here. */
export class OtherLedger extends Error {
  readonly code = "OTHER_LEDGER";
}

/** The gateway speaks for another address than the page's own: it would not let us in, and we sign nothing for it. */
export class OtherOrigin extends Error {
  readonly code = "ORIGIN_REFUSED";
}

/** Who is there, null if nobody. */
export async function who(): Promise<Person | null> {
  try {
    return await api.get<Person>("/session");
  } catch (error) {
    if (isSignedOut(error)) return null;
    throw error;
  }
}

/** Enter; the account as it is known now: its permanent identity, its ledger. */
export async function enter(account: Account): Promise<{ person: Person; account: Account }> {
  const asked = await api.send<Asked>("POST", "/session/challenges");
  if (account.chainId && account.chainId !== asked.chain_id) {
    throw new OtherLedger("this key was made for another ledger");
  }
  if (asked.origin !== location.origin) {
    throw new OtherOrigin(`this gateway is to be visited at ${asked.origin}`);
  }
  const message = entryMessage(fromHex(asked.chain_id), asked.origin, fromHex(asked.nonce), asked.expires_ms);
  const person = await api.send<Person>("POST", "/session", {
    public_key: toHex(account.publicKey),
    nonce: asked.nonce,
    signature: toHex(await sign(account.privateKey, message)),
  });
  api.forget();
  const known = account.identity === person.identity && account.chainId === asked.chain_id;
  const amended = known ? account : await amend(account, { identity: person.identity, chainId: asked.chain_id });
  return { person, account: amended };
}

export async function leave(everywhere: boolean): Promise<void> {
  api.forget();
  try {
    await api.send("DELETE", "/session", { everywhere });
  } catch (error) {
    if (!isSignedOut(error)) throw error;
  }
}
