// Twelve words and the key they stand for: the same as `ledgernode wallet recover` finds (docs/formats.md, Wallet key).
// Loaded only where a phrase is made or typed in: the word list and the curve weigh more than the rest of the wallet.

import { p256 } from "@noble/curves/nist.js";
import { generateMnemonic, mnemonicToSeed, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";

import { type Bytes, big, concat, tag, toNumber } from "../ledger/bytes";
import { importPrivate, ORDER } from "../ledger/keys";

export interface WalletKey {
  readonly publicKey: Bytes;
  /** Signs, and cannot be exported. */
  readonly privateKey: CryptoKey;
}

export class PhraseInvalid extends Error {
  readonly code = "PHRASE_INVALID";
  constructor(
    message: string,
    /** Places, from 1, of words that are in no phrase. */
    readonly unknown: readonly number[] = [],
  ) {
    super(message);
  }
}

const LENGTHS = [12, 15, 18, 21, 24];
const ACCOUNTS = 1000;

export const newPhrase = (): string => generateMnemonic(wordlist, 128);

/** Words that begin so, for who types them in. */
export const wordsLike = (start: string): string[] => wordlist.filter((word) => word.startsWith(start)).slice(0, 6);

export async function keyFromPhrase(phrase: string, account = 0): Promise<WalletKey> {
  if (!Number.isInteger(account) || account < 0 || account >= ACCOUNTS) {
    throw new PhraseInvalid(`accounts are numbered 0 to ${ACCOUNTS - 1}`);
  }
  const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
  if (!LENGTHS.includes(words.length))
    throw new PhraseInvalid(`a recovery phrase has 12 words, this one ${words.length}`);
  const unknown = words.flatMap((word, at) => (wordlist.includes(word) ? [] : [at + 1]));
  if (unknown.length) throw new PhraseInvalid(`these words are in no recovery phrase: ${unknown.join(", ")}`, unknown);
  const plain = words.join(" ");
  if (!validateMnemonic(plain, wordlist)) {
    throw new PhraseInvalid("each word is known, but together they are no phrase: one is wrong, or two are swapped");
  }
  const secret = await derived(new Uint8Array(await mnemonicToSeed(plain)), account);
  const publicKey = new Uint8Array(p256.getPublicKey(secret, false));
  return { publicKey, privateKey: await importPrivate(secret, publicKey) };
}

async function derived(seed: Bytes, account: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", seed, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: concat(tag("wallet"), big(account, 4)) };
  const bytes = new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * 48));
  return big((toNumber(bytes) % (ORDER - 1n)) + 1n, 32);
}
