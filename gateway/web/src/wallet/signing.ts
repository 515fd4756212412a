// From a call to its receipt: bytes are built, shown, signed as they stand, kept, sent. What asks only is signed without
// a sheet: a query moves nothing, and its own tag keeps it from ever being a transaction.

import { isSimulated, type LedgerInfo, type Outcome } from "../api/answers";
import { api, part } from "../api/client";
import { Refused } from "../api/problem";
import type { Arguments } from "../ledger/arguments";
import { type Bytes, fromHex, toHex } from "../ledger/bytes";
import { sign } from "../ledger/keys";
import { call, encodeBody, envelope, newNonce, parseBody, transactionId } from "../ledger/transaction";
import { note, type Signed } from "./history";
import type { Account } from "./vault";

export interface Call {
  readonly contract: string;
  readonly function: string;
  readonly arguments: Arguments;
}

/** A signature is good for so long: for its block to be made, and no longer. */
const GOOD_MS = 5 * 60_000;
const WAIT_MS = 8_000;
const QUERY_BUDGET = 5_000_000;
const SHORTER_MS = 30_000;

/** A simulated hour takes a minute: then as long as the ledger lets it. */
function goodUntilMs(ledger: LedgerInfo): number {
  const longest = ledger.parameters?.validity_ms ?? GOOD_MS;
  return api.now() + (isSimulated(ledger) ? longest - SHORTER_MS : Math.min(GOOD_MS, longest));
}

/** The bytes that the sheet shows and the key signs. */
export function prepare(wanted: Call, account: Account, ledger: LedgerInfo, kind: "transaction" | "query"): Bytes {
  const chainId = account.chainId ?? ledger.chain_id;
  const replay = { nonce: newNonce(), validUntilMs: goodUntilMs(ledger) };
  const budget = kind === "query" ? QUERY_BUDGET : (ledger.parameters?.budget ?? 500_000);
  const of = { kind, chainId: fromHex(chainId), creator: fromHex(account.identity), replay, budget };
  return encodeBody(call(wanted.contract, wanted.function, wanted.arguments, of));
}

/** The same call, good from now on: people may think for as long as they like before they confirm. */
export async function renewed(bytes: Bytes, ledger: LedgerInfo): Promise<Bytes> {
  if (isSimulated(ledger)) api.standAt((await api.get<LedgerInfo>("/ledger")).model.time_ms);
  const body = parseBody(bytes);
  return encodeBody({ ...body, replay: { nonce: newNonce(), validUntilMs: goodUntilMs(ledger) } });
}

async function signed(body: Bytes, account: Account): Promise<Bytes> {
  return envelope(account.publicKey, await sign(account.privateKey, body), body);
}

/** Sign exactly these bytes and hand them over. Answers what became of them, or that they wait (code ""). */
export async function submit(body: Bytes, account: Account): Promise<Outcome> {
  const id = toHex(await transactionId(body));
  const raw = await signed(body, account);
  const kept: Signed = {
    id,
    identity: account.identity,
    body,
    signedMs: api.now(),
    code: null,
    message: "",
    height: 0,
  };
  await note(kept);
  try {
    const outcome = outcomeOf(id, await api.post<Partial<Outcome>>("/transactions", raw, { wait_ms: WAIT_MS }));
    await keepOutcome(kept, outcome);
    return outcome;
  } catch (error) {
    if (error instanceof Refused && error.status < 500 && error.status !== 429) {
      await note({ ...kept, code: error.code, message: error.message });
    }
    throw error;
  }
}

/** What became of what was signed, asked of the read model; code "" while it is in no block. */
export async function outcomeSince(of: Signed): Promise<Outcome> {
  interface Shown {
    readonly row: { readonly code: string; readonly height: number };
    readonly call: { readonly message: string; readonly result: unknown };
  }
  try {
    const { row, call: said } = await api.get<Shown>(`/transactions/${part(of.id)}`);
    const outcome = { id: of.id, code: row.code, height: row.height, message: said.message, result: said.result };
    await keepOutcome(of, outcome);
    return outcome;
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    return { id: of.id, code: "", height: 0, message: "", result: null };
  }
}

/** Ask a contract in the person's own name. */
export async function query<Answer>(wanted: Call, account: Account, ledger: LedgerInfo): Promise<Answer> {
  const raw = await signed(prepare(wanted, account, ledger, "query"), account);
  return (await api.post<{ readonly result: Answer }>("/queries", raw)).result;
}

async function keepOutcome(of: Signed, outcome: Outcome): Promise<void> {
  if (outcome.code) await note({ ...of, code: outcome.code, message: outcome.message, height: outcome.height });
}

function outcomeOf(id: string, said: Partial<Outcome>): Outcome {
  return { id, code: said.code ?? "", message: said.message ?? "", height: said.height ?? 0, result: said.result };
}
