// A proof, checked in the browser as docs/formats.md says: from the genesis file to one receipt, by hashes and
// signatures alone. What is shown to a person is what was really checked, step by step.

import { type Bytes, big, concat, fromHex, fromUtf8, sha256, tag, toHex, toNumber, utf8 } from "./bytes";
import { identityOf, verify } from "./keys";
import { type Body, parseBody, transactionId } from "./transaction";

export class ProofInvalid extends Error {
  readonly code = "PROOF_INVALID";
}

export interface Header {
  readonly chainId: string;
  readonly epoch: number;
  readonly height: number;
  readonly transactionRoot: Bytes;
  readonly receiptsRoot: Bytes;
  readonly timeMs: number;
  readonly currentSet: Bytes;
  readonly nextSet: Bytes;
  readonly transactions: number;
  readonly receipts: number;
  readonly hash: Bytes;
}

export interface Event {
  readonly contract: string;
  readonly name: string;
  readonly payload: unknown;
}

export interface Receipt {
  readonly id: string;
  readonly origin: "transaction" | "timer" | "reward";
  readonly code: string;
  readonly message: string;
  readonly result: string;
  readonly events: readonly Event[];
  readonly itemsRoot: Bytes;
  readonly items: number;
}

export interface Member {
  readonly identity: Bytes;
  readonly organisation: string;
  readonly publicKey: Bytes;
}

export interface ValidatorSet {
  readonly epoch: number;
  readonly members: readonly Member[];
}

/** What held. `signers` are organisations whose validators signed the block. */
export interface CheckedProof {
  readonly chainId: string;
  readonly header: Header;
  readonly receipt: Receipt;
  readonly body: Body | null;
  readonly signers: readonly string[];
  readonly validators: number;
  readonly quorum: number;
  readonly setChanges: number;
}

interface Leaf {
  readonly data: string;
  readonly index: number;
  readonly path: readonly string[];
}

interface Document {
  readonly format: string;
  readonly kind: "transaction" | "item" | "timer" | "reward";
  readonly envelope: Leaf | null;
  readonly item: Leaf | null;
  readonly receipt: Leaf;
  readonly header: string;
  readonly certificate: string;
  readonly set_changes: readonly { readonly header: string; readonly certificate: string; readonly next_set: string }[];
}

const HEADER_BYTES = 276;
const VOTE_TAG = utf8("ledgernode/certificate/1");
const ORIGINS = ["transaction", "timer", "reward"] as const;
const KEY_OF_CERTIFICATE = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

export const quorumOf = (members: number): number => {
  const faulty = Math.floor((members - 1) / 3);
  return Math.ceil((members + faulty + 1) / 2);
};

/** Throws ProofInvalid with the step that does not hold. */
export async function checkProof(text: string, genesis: Bytes): Promise<CheckedProof> {
  const document = read(text);
  const chainId = toHex(await sha256(concat(tag("genesis"), genesis)));
  let set = await foundingSet(genesis);
  let height = -1;
  for (const change of document.set_changes) {
    const header = await parseHeader(fromHex(change.header));
    await requireCertified(header, fromHex(change.certificate), chainId, set);
    if (header.height <= height) throw new ProofInvalid("changes of the validators are out of order");
    const bytes = fromHex(change.next_set);
    const next = parseSet(bytes);
    if (!same(await sha256(bytes), header.nextSet) || next.epoch !== set.epoch + 1) {
      throw new ProofInvalid("the next validators are not those that the last ones named");
    }
    [set, height] = [next, header.height];
  }
  const header = await parseHeader(fromHex(document.header));
  const signers = await requireCertified(header, fromHex(document.certificate), chainId, set);
  if (header.height <= height) throw new ProofInvalid("the block lies below a change of the validators");
  const receiptData = fromHex(document.receipt.data);
  await requireLeaf(document.receipt, receiptData, header.receiptsRoot, header.receipts, "the receipt");
  const receipt = parseReceipt(receiptData);
  const body = await checkKind(document, header, receipt, chainId);
  const counts = { validators: set.members.length, quorum: quorumOf(set.members.length) };
  return { chainId, header, receipt, body, signers, ...counts, setChanges: document.set_changes.length };
}

async function checkKind(document: Document, header: Header, receipt: Receipt, chainId: string): Promise<Body | null> {
  const wanted = document.kind === "item" ? "transaction" : document.kind;
  const first = header.receipts - header.transactions;
  const place = document.receipt.index - first;
  if (receipt.origin !== wanted || place >= 0 !== (wanted === "transaction")) {
    throw new ProofInvalid("the receipt is of another kind than the proof");
  }
  if (document.kind === "item") {
    const item = document.item;
    if (!item) throw new ProofInvalid("the proof lacks its item");
    await requireLeaf(item, fromHex(item.data), receipt.itemsRoot, receipt.items, "the item");
    return null;
  }
  if (document.kind !== "transaction") return null;
  const leaf = document.envelope;
  if (!leaf || leaf.index !== place) throw new ProofInvalid("the envelope is not the receipt's");
  const envelope = fromHex(leaf.data);
  await requireLeaf(leaf, await sha256(envelope), header.transactionRoot, header.transactions, "the envelope");
  const raw = envelope.slice(129);
  const body = parseBody(raw);
  const held = await verify(envelope.slice(0, 65), raw, envelope.slice(65, 129));
  if (!held) throw new ProofInvalid("the transaction's signature does not hold");
  const named = toHex(await transactionId(raw)) === receipt.id && toHex(body.chainId) === chainId;
  if (!named || body.kind !== "transaction") throw new ProofInvalid("the transaction is not the receipt's");
  return body;
}

async function requireCertified(
  header: Header,
  certificate: Bytes,
  chainId: string,
  set: ValidatorSet,
): Promise<string[]> {
  if (header.chainId !== chainId) throw new ProofInvalid("the block is of another ledger");
  if (header.epoch !== set.epoch) throw new ProofInvalid("the block is of another epoch");
  if (!same(await sha256(encodeSet(set)), header.currentSet))
    throw new ProofInvalid("other validators sign this block");
  const count = Number(toNumber(certificate.subarray(0, 2)));
  if (certificate.length !== 2 + 66 * count) throw new ProofInvalid("the certificate is cut");
  const vote = concat(VOTE_TAG, fromHex(chainId), big(header.epoch, 8), big(header.height, 8), header.hash);
  const signers: string[] = [];
  let last = -1;
  for (let at = 0; at < count; at++) {
    const from = 2 + 66 * at;
    const position = Number(toNumber(certificate.subarray(from, from + 2)));
    const member = set.members[position];
    if (position <= last || !member) throw new ProofInvalid("the certificate names nobody, or somebody twice");
    if (!(await verify(member.publicKey, vote, certificate.slice(from + 2, from + 66)))) {
      throw new ProofInvalid(`the signature of ${member.organisation} does not hold`);
    }
    signers.push(member.organisation);
    last = position;
  }
  const needed = quorumOf(set.members.length);
  if (signers.length < needed) throw new ProofInvalid(`${signers.length} signed, ${needed} are needed`);
  return signers;
}

export async function parseHeader(raw: Bytes): Promise<Header> {
  if (raw.length !== HEADER_BYTES || !same(raw.subarray(0, 20), tag("header"))) {
    throw new ProofInvalid("this is no block header");
  }
  const number = (at: number, size: number) => Number(toNumber(raw.subarray(at, at + size)));
  return {
    chainId: toHex(raw.subarray(20, 52)),
    epoch: number(52, 8),
    height: number(60, 8),
    transactionRoot: raw.slice(100, 132),
    receiptsRoot: raw.slice(132, 164),
    timeMs: number(196, 8),
    currentSet: raw.slice(204, 236),
    nextSet: raw.slice(236, 268),
    transactions: number(268, 4),
    receipts: number(272, 4),
    hash: await sha256(raw),
  };
}

// ---------------------------------------------------------------- validators

export function encodeSet(set: ValidatorSet): Bytes {
  const members = set.members.map((one) => {
    const named = utf8(one.organisation);
    return concat(one.identity, big(named.length, 1), named, one.publicKey);
  });
  return concat(tag("validators"), big(set.epoch, 8), big(members.length, 2), ...members);
}

function parseSet(raw: Bytes): ValidatorSet {
  if (!same(raw.subarray(0, 24), tag("validators"))) throw new ProofInvalid("this is no set of validators");
  const members: Member[] = [];
  let at = 34;
  for (let left = Number(toNumber(raw.subarray(32, 34))); left > 0; left--) {
    const end = at + 33 + (raw[at + 32] ?? 0);
    if (end + 65 > raw.length) throw new ProofInvalid("a set of validators is cut");
    const organisation = fromUtf8(raw.subarray(at + 33, end));
    members.push({ identity: raw.slice(at, at + 32), organisation, publicKey: raw.slice(end, end + 65) });
    at = end + 65;
  }
  const set = { epoch: Number(toNumber(raw.subarray(24, 32))), members };
  if (at !== raw.length || !same(encodeSet(set), raw)) throw new ProofInvalid("a set of validators is not as it says");
  return set;
}

interface Genesis {
  readonly organisations: readonly {
    readonly name: string;
    readonly validators?: readonly { readonly certificate: string }[];
  }[];
}

/** The first validators, from the ledger's founding document. */
export async function foundingSet(genesis: Bytes): Promise<ValidatorSet> {
  let read: Genesis;
  try {
    read = JSON.parse(fromUtf8(genesis)) as Genesis;
  } catch {
    throw new ProofInvalid("the genesis file cannot be read");
  }
  const members: Member[] = [];
  for (const organisation of read.organisations) {
    for (const validator of organisation.validators ?? []) {
      const publicKey = keyOfCertificate(validator.certificate);
      members.push({ identity: await identityOf(publicKey), organisation: organisation.name, publicKey });
    }
  }
  members.sort((one, other) => (toHex(one.identity) < toHex(other.identity) ? -1 : 1));
  return { epoch: 0, members };
}

/** The public key of the first certificate in a PEM text: P-256 keys stand in one form. */
function keyOfCertificate(pem: string): Bytes {
  const [, text] = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(pem) ?? [];
  if (!text) throw new ProofInvalid("a validator of the genesis file has no certificate");
  const der = Uint8Array.from(atob(text.replace(/\s/g, "")), (one) => one.charCodeAt(0));
  for (let at = 0; at + KEY_OF_CERTIFICATE.length + 65 <= der.length; at++) {
    const key = at + KEY_OF_CERTIFICATE.length;
    if (same(der.subarray(at, key), KEY_OF_CERTIFICATE)) return der.slice(key, key + 65);
  }
  throw new ProofInvalid("a validator's certificate has no P-256 key");
}

// ---------------------------------------------------------------- Merkle trees

async function requireLeaf(leaf: Leaf, data: Bytes, root: Bytes, size: number, what: string): Promise<void> {
  const path = leaf.path.map(fromHex);
  const found = await rootOf(await sha256(concat(big(0, 1), data)), leaf.index, size, path);
  if (!found || !same(found, root)) throw new ProofInvalid(`${what} is not in the block`);
}

/** RFC 6962: a tree of n leaves splits at the largest power of two below n; a path lists siblings upwards. */
export async function rootOf(leaf: Bytes, index: number, size: number, path: readonly Bytes[]): Promise<Bytes | null> {
  if (!Number.isInteger(index) || index < 0 || index >= size) return null;
  const turns: boolean[] = [];
  for (let [at, of] = [index, size]; of > 1; ) {
    let split = 1;
    while (split * 2 < of) split *= 2;
    turns.push(at >= split);
    [at, of] = at >= split ? [at - split, of - split] : [at, split];
  }
  if (turns.length !== path.length) return null;
  let node = leaf;
  for (const sibling of path) {
    const right = turns.pop();
    node = await sha256(right ? concat(big(1, 1), sibling, node) : concat(big(1, 1), node, sibling));
  }
  return node;
}

// ---------------------------------------------------------------- receipts

export function parseReceipt(raw: Bytes): Receipt {
  if (!same(raw.subarray(0, 21), tag("receipt"))) throw new ProofInvalid("this is no receipt");
  const found = new Packed(raw.subarray(21)).all();
  if (!Array.isArray(found) || found.length !== 9) throw new ProofInvalid("a receipt has nine fields");
  const [id, origin, code, message, result, events, , itemsRoot, items] = found as [
    Bytes,
    number,
    string,
    string,
    Bytes,
    [string, string, Bytes][],
    number,
    Bytes,
    number,
  ];
  return {
    id: toHex(id),
    origin: ORIGINS[origin] ?? "transaction",
    code,
    message,
    result: fromUtf8(result),
    events: events.map(([contract, name, payload]) => ({ contract, name, payload: JSON.parse(fromUtf8(payload)) })),
    itemsRoot,
    items,
  };
}

/** As much of MessagePack as receipts are written in. */
class Packed {
  #at = 0;
  constructor(private readonly raw: Uint8Array) {}

  all(): unknown {
    const found = this.#next();
    if (this.#at !== this.raw.length) throw new ProofInvalid("something follows the receipt");
    return found;
  }

  #next(): unknown {
    const head = this.#number(1);
    if (head < 0x80) return head;
    if (head >= 0x90 && head < 0xa0) return this.#array(head & 0x0f);
    if (head >= 0xa0 && head < 0xc0) return fromUtf8(this.#bytes(head & 0x1f));
    if (head >= 0xc4 && head <= 0xc6) return this.#bytes(this.#number(1 << (head - 0xc4)));
    if (head >= 0xcc && head <= 0xcf) return this.#number(1 << (head - 0xcc));
    if (head >= 0xd9 && head <= 0xdb) return fromUtf8(this.#bytes(this.#number(1 << (head - 0xd9))));
    if (head === 0xdc || head === 0xdd) return this.#array(this.#number(head === 0xdc ? 2 : 4));
    throw new ProofInvalid("a receipt is written in another way");
  }

  #array(length: number): unknown[] {
    if (length > this.raw.length) throw new ProofInvalid("a receipt is cut");
    return Array.from({ length }, () => this.#next());
  }

  #number(size: number): number {
    return Number(toNumber(this.#bytes(size)));
  }

  #bytes(size: number): Bytes {
    const end = this.#at + size;
    if (end > this.raw.length) throw new ProofInvalid("a receipt is cut");
    const found = this.raw.slice(this.#at, end);
    this.#at = end;
    return found as Bytes;
  }
}

function read(text: string): Document {
  let document: Document;
  try {
    document = JSON.parse(text) as Document;
  } catch {
    throw new ProofInvalid("the proof cannot be read");
  }
  if (document.format !== "ledgernode/proof/1") throw new ProofInvalid("this is no proof");
  return document;
}

const same = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);
