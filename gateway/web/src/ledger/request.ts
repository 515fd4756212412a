// A request for a certificate (PKCS 10), signed by the key it asks for: what a utility needs to put a wallet's key on
// the ledger. Written byte by byte, for it has one form only: organisation, role, name, and that the key signs.

import { type Bytes, concat, toNumber, utf8 } from "./bytes";
import { sign } from "./keys";

export interface Applicant {
  readonly organisation: string;
  readonly role: string;
  readonly name: string;
}

export class ApplicantInvalid extends Error {
  readonly code = "CERTIFICATE_INVALID";
}

const ORGANISATION = /^[a-z][a-z0-9-]{1,31}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const [INTEGER, BITS, OCTETS, OBJECT, TEXT, SEQUENCE, SET] = [2, 3, 4, 6, 12, 0x30, 0x31];
const ATTRIBUTES = 0xa0;
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const NAMES = { organisation: "2.5.4.10", role: "2.5.4.11", name: "2.5.4.3" } as const;
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const EXTENDED_KEY_USAGE = "2.5.29.37";
/** The purpose "signs transactions", of an arc of the ledger's own. */
const SIGNING = "2.25.112997718740578301582657086527917027781.2";

/** The part that is signed. */
export function requestInfo(publicKey: Bytes, applicant: Applicant): Bytes {
  if (!ORGANISATION.test(applicant.organisation) || !NAME.test(applicant.name)) {
    throw new ApplicantInvalid("a name has 1 to 64 letters, digits, '.', '_' or '-'");
  }
  const subject = (["organisation", "role", "name"] as const).map((part) =>
    der(SET, der(SEQUENCE, object(NAMES[part]), der(TEXT, utf8(applicant[part])))),
  );
  const curve = der(SEQUENCE, object("1.2.840.10045.2.1"), object("1.2.840.10045.3.1.7"));
  const purpose = der(SEQUENCE, object(EXTENDED_KEY_USAGE), der(OCTETS, der(SEQUENCE, object(SIGNING))));
  return der(
    SEQUENCE,
    der(INTEGER, Uint8Array.of(0)),
    der(SEQUENCE, ...subject),
    der(SEQUENCE, curve, der(BITS, Uint8Array.of(0), publicKey)),
    der(ATTRIBUTES, der(SEQUENCE, object(EXTENSION_REQUEST), der(SET, der(SEQUENCE, purpose)))),
  );
}

/** The request as a PEM text, to be handed to the utility. It holds no secret. */
export async function requestFor(privateKey: CryptoKey, publicKey: Bytes, applicant: Applicant): Promise<string> {
  const info = requestInfo(publicKey, applicant);
  const raw = await sign(privateKey, info);
  const signature = der(SEQUENCE, number(raw.slice(0, 32)), number(raw.slice(32)));
  const whole = der(SEQUENCE, info, der(SEQUENCE, object(ECDSA_SHA256)), der(BITS, Uint8Array.of(0), signature));
  const text = btoa(String.fromCharCode(...whole)).replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----\n`;
}

function der(kind: number, ...parts: Bytes[]): Bytes {
  const content = concat(...parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return concat(Uint8Array.of(kind, ...length), content);
}

function object(dotted: string): Bytes {
  const [first = 0n, second = 0n, ...rest] = dotted.split(".").map(BigInt);
  return der(OBJECT, Uint8Array.from([first * 40n + second, ...rest].flatMap(groups)));
}

/** Groups of seven bits, all but the last marked. */
function groups(value: bigint): number[] {
  const found = [Number(value & 0x7fn)];
  for (let left = value >> 7n; left; left >>= 7n) found.unshift(Number(left & 0x7fn) | 0x80);
  return found;
}

/** An unsigned number in as few bytes as hold it, the highest bit clear. */
function number(bytes: Bytes): Bytes {
  const hex = toNumber(bytes).toString(16);
  const even = hex.length % 2 ? `0${hex}` : hex;
  const plain = Uint8Array.from(even.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return der(INTEGER, (plain[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), plain) : plain);
}
