// A transaction's bytes, as docs/formats.md lays them out: what is shown, what is signed and what is sent are the same.

import { type Arguments, encodeArguments } from "./arguments";
import { type Bytes, big, concat, fromUtf8, sha256, tag, toNumber, utf8 } from "./bytes";

export type Kind = "transaction" | "query";

/** People send a nonce and an end of validity, devices a number of their own. */
export type Replay = { readonly nonce: Bytes; readonly validUntilMs: number } | { readonly sequence: bigint };

export interface Body {
  readonly kind: Kind;
  readonly chainId: Bytes;
  readonly creator: Bytes;
  readonly replay: Replay;
  readonly budget: number;
  readonly contract: string;
  readonly function: string;
  readonly arguments: string;
}

export class TransactionMalformed extends Error {
  readonly code = "TRANSACTION_MALFORMED";
}

const TAGS: Record<Kind, Bytes> = { transaction: tag("tx"), query: utf8("ledgernode/qry/1") };
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const HEAD_BYTES = 109;
const NONCE_BYTES = 16;
const SEQUENCE_LIMIT = 1n << 63n;

export function newNonce(): Bytes {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
}

export function call(
  contract: string,
  name: string,
  values: Arguments,
  of: Omit<Body, "contract" | "function" | "arguments">,
): Body {
  return { ...of, contract, function: name, arguments: encodeArguments(values) };
}

export function encodeBody(body: Body): Bytes {
  if (body.chainId.length !== 32 || body.creator.length !== 32) {
    throw new TransactionMalformed("a chain id and a creator have 32 bytes each");
  }
  const text = utf8(body.arguments);
  return concat(
    TAGS[body.kind],
    body.chainId,
    body.creator,
    replayBytes(body.replay),
    big(body.budget, 4),
    nameBytes(body.contract, "contract"),
    nameBytes(body.function, "function"),
    big(text.length, 4),
    text,
  );
}

/** Read bytes back, for the sheet on which a person confirms them. Refuses anything but exactly one body. */
export function parseBody(raw: Bytes): Body {
  if (raw.length < HEAD_BYTES + 8) throw new TransactionMalformed(`a body has at least ${HEAD_BYTES + 8} bytes`);
  const kind = (["transaction", "query"] as const).find((one) => sameBytes(raw.subarray(0, 16), TAGS[one]));
  if (!kind) throw new TransactionMalformed("these bytes are neither a transaction nor a query");
  const [contract, functionAt] = readName(raw, HEAD_BYTES);
  const [called, lengthAt] = readName(raw, functionAt);
  const text = raw.subarray(lengthAt + 4);
  if (lengthAt + 4 > raw.length || toNumber(raw.subarray(lengthAt, lengthAt + 4)) !== BigInt(text.length)) {
    throw new TransactionMalformed("the arguments are not as long as they say");
  }
  return {
    kind,
    chainId: raw.slice(16, 48),
    creator: raw.slice(48, 80),
    replay: readReplay(raw),
    budget: Number(toNumber(raw.subarray(105, 109))),
    contract,
    function: called,
    arguments: fromUtf8(text),
  };
}

export const transactionId = (body: Bytes): Promise<Bytes> => sha256(body);

export function envelope(publicKey: Bytes, signature: Bytes, body: Bytes): Bytes {
  if (publicKey.length !== 65 || signature.length !== 64) {
    throw new TransactionMalformed("a public key has 65 bytes, a signature 64");
  }
  return concat(publicKey, signature, body);
}

function replayBytes(replay: Replay): Bytes {
  if ("sequence" in replay) {
    if (replay.sequence >= SEQUENCE_LIMIT) throw new TransactionMalformed("a sequence is below 2^63");
    return concat(big(1, 1), big(replay.sequence, 16), big(0, 8));
  }
  if (replay.nonce.length !== NONCE_BYTES) throw new TransactionMalformed(`a nonce has ${NONCE_BYTES} bytes`);
  return concat(big(0, 1), replay.nonce, big(replay.validUntilMs, 8));
}

function readReplay(raw: Bytes): Replay {
  const value = raw.slice(81, 97);
  const until = toNumber(raw.subarray(97, 105));
  if (raw[80] === 0) return { nonce: value, validUntilMs: Number(until) };
  const sequence = toNumber(value);
  if (raw[80] !== 1 || until !== 0n || sequence >= SEQUENCE_LIMIT)
    throw new TransactionMalformed("the replay mode is unknown");
  return { sequence };
}

function nameBytes(name: string, what: string): Bytes {
  if (!NAME.test(name)) throw new TransactionMalformed(`the ${what} ${JSON.stringify(name)} is no name`);
  return concat(big(name.length, 1), utf8(name));
}

function readName(raw: Bytes, at: number): [string, number] {
  const end = at + 1 + (raw[at] ?? 0);
  const name = String.fromCharCode(...raw.subarray(at + 1, end));
  if (end > raw.length || !NAME.test(name)) throw new TransactionMalformed("a name has 1 to 64 letters, digits and _");
  return [name, end];
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
