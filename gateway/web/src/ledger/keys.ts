// P-256 by the browser's own cryptography. Of a signature's two forms the ledger takes the lower one alone.

import { type Bytes, big, concat, sha256, tag, toNumber, utf8 } from "./bytes";

export const ORDER = 0xffffffff_00000000_ffffffff_ffffffff_bce6faad_a7179e84_f3b9cac2_fc632551n;
const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

export async function sign(key: CryptoKey, message: Bytes): Promise<Bytes> {
  const raw = new Uint8Array(await crypto.subtle.sign(SIGNING, key, message));
  const s = toNumber(raw.subarray(32));
  return concat(raw.subarray(0, 32), big(s > ORDER / 2n ? ORDER - s : s, 32));
}

export async function verify(publicKey: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  const plain = publicKey.length === 65 && publicKey[0] === 4; // one encoding of a key, one of a signature
  if (!plain || signature.length !== 64 || toNumber(signature.subarray(32)) > ORDER / 2n) return false;
  const key = await crypto.subtle.importKey("raw", publicKey, CURVE, false, ["verify"]);
  return crypto.subtle.verify(SIGNING, key, signature, message);
}

/** For ever the same for a person, whatever keys come later: made of the first one. */
export const identityOf = (firstPublicKey: Bytes): Promise<Bytes> => sha256(concat(tag("identity"), firstPublicKey));

/** What a wallet signs to say who it is: for this ledger, this page and this challenge alone. */
export function entryMessage(chainId: Bytes, origin: string, nonce: Bytes, expiresMs: number): Bytes {
  const named = utf8(origin);
  return concat(tag("entry"), chainId, big(named.length, 1), named, nonce, big(expiresMs, 8));
}

const text = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** A private key that this browser can sign with and nobody can read out again. */
export function importPrivate(secret: Bytes, publicKey: Bytes): Promise<CryptoKey> {
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: text(secret),
    x: text(publicKey.subarray(1, 33)),
    y: text(publicKey.subarray(33)),
  };
  return crypto.subtle.importKey("jwk", jwk, CURVE, false, ["sign"]);
}
