// "Verify this bill": it holds for the bill that the ledger has issued, and for no other.

import { beforeAll, expect, it } from "vitest";

import { type Bytes, big, concat, sha256, tag, toHex, utf8 } from "../src/ledger/bytes";
import { identityOf, sign } from "../src/ledger/keys";
import { encodeSet, type Member } from "../src/ledger/proof";
import { checkBill } from "../src/pages/customer/verifying";
import { keyFromPhrase, newPhrase } from "../src/wallet/phrase";

const SPKI = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const bill = { invoice: "north:7", point: "north:h1", customer: "north:c1", total_minor: 4_200 };
const lines = [
  { kind: "energy", name: "Day", quantity: 10_000_000, unit: "mwh", price_micro: 320_000, amount_minor: 3_200 },
  { kind: "fixed", name: "Meter", quantity: 1, unit: "month", price_micro: 0, amount_minor: 1_000 },
];

interface Ledger {
  readonly genesis: Bytes;
  readonly chainId: string;
  prove(payload: object, code?: string, signers?: number): Promise<string>;
}

/** A ledger of four validators with one block, whose only receipt is a timer's call that issued a bill. */
async function founded(): Promise<Ledger> {
  const keys = await Promise.all([1, 2, 3, 4].map(() => keyFromPhrase(newPhrase())));
  const spki = (key: Bytes) => btoa(String.fromCharCode(...Buffer.from(SPKI, "hex"), ...key));
  const organisations = keys.map((key, at) => ({
    name: `org-${at}`,
    validators: [{ certificate: `-----BEGIN CERTIFICATE-----\n${spki(key.publicKey)}\n-----END CERTIFICATE-----\n` }],
  }));
  const genesis = utf8(JSON.stringify({ organisations }));
  const chain = await sha256(concat(tag("genesis"), genesis));
  const members: (Member & { key: CryptoKey })[] = await Promise.all(
    keys.map(async ({ publicKey, privateKey }, at) => ({
      identity: await identityOf(publicKey),
      organisation: `org-${at}`,
      publicKey,
      key: privateKey,
    })),
  );
  members.sort((one, other) => (toHex(one.identity) < toHex(other.identity) ? -1 : 1));
  const set = await sha256(encodeSet({ epoch: 0, members }));
  return {
    genesis,
    chainId: toHex(chain),
    async prove(payload, code = "OK", signers = 3) {
      const receipt = receiptOf(code, payload);
      const root = await sha256(concat(big(0, 1), receipt));
      const zeros = new Uint8Array(32);
      const header = concat(
        tag("header"),
        chain,
        big(0, 8),
        big(9, 8),
        ...[zeros, zeros, root, zeros],
        big(1_000, 8),
        ...[set, set],
        ...[big(0, 4), big(1, 4)],
      );
      const vote = concat(utf8("ledgernode/certificate/1"), chain, big(0, 8), big(9, 8), await sha256(header));
      const signed = members.slice(0, signers).map(async ({ key }, at) => concat(big(at, 2), await sign(key, vote)));
      const certificate = concat(big(signers, 2), ...(await Promise.all(signed)));
      return JSON.stringify({
        format: "ledgernode/proof/1",
        kind: "timer",
        envelope: null,
        item: null,
        receipt: { data: toHex(receipt), index: 0, path: [] },
        header: toHex(header),
        certificate: toHex(certificate),
        set_changes: [],
      });
    },
  };
}

function receiptOf(code: string, payload: object): Bytes {
  const text = (value: string) => concat(Uint8Array.of(0xd9, value.length), utf8(value));
  const bytes = (value: Bytes) => concat(Uint8Array.of(0xc5, value.length >> 8, value.length & 0xff), value);
  const event = concat(
    Uint8Array.of(0x93),
    text("billing"),
    text("InvoiceIssued"),
    bytes(utf8(JSON.stringify(payload))),
  );
  return concat(
    tag("receipt"),
    Uint8Array.of(0x99),
    ...[bytes(new Uint8Array(32)), Uint8Array.of(1), text(code), text(""), bytes(utf8("null"))],
    ...[Uint8Array.of(0x91), event, Uint8Array.of(0), bytes(new Uint8Array()), Uint8Array.of(0)],
  );
}

let ledger: Ledger;
beforeAll(async () => {
  ledger = await founded();
});

it("holds for the bill that the receipt has issued", async () => {
  const proof = await ledger.prove({ ...bill, kind: "month", due_ms: 5 });
  const checked = await checkBill(bill, lines, proof, ledger.genesis, ledger.chainId);
  expect(checked.sum).toBe(true);
  expect(checked.proof).toMatchObject({ validators: 4, quorum: 3, setChanges: 0, body: null });
  expect(checked.proof.signers).toHaveLength(3);
});

it("says when the lines do not add up, and when there were none to add", async () => {
  const proof = await ledger.prove(bill);
  const fewer = lines.slice(1);
  expect((await checkBill(bill, fewer, proof, ledger.genesis, ledger.chainId)).sum).toBe(false);
  expect((await checkBill(bill, null, proof, ledger.genesis, ledger.chainId)).sum).toBeNull();
});

it.each([
  ["another total", { total_minor: 4_201 }, "another total_minor"],
  ["another connection", { point: "north:h2" }, "another point"],
  ["another customer", { customer: "north:c2" }, "another customer"],
  ["another number", { invoice: "north:8" }, "no bill of this number"],
])("does not hold for %s", async (_, change, why) => {
  const proof = await ledger.prove({ ...bill, ...change });
  await expect(checkBill(bill, lines, proof, ledger.genesis, ledger.chainId)).rejects.toThrow(why);
});

it("does not hold when the call was refused, too few have signed, or the ledger is another", async () => {
  const refused = await ledger.prove(bill, "billing.RUN_BUSY");
  await expect(checkBill(bill, lines, refused, ledger.genesis, ledger.chainId)).rejects.toThrow("RUN_BUSY");
  const few = await ledger.prove(bill, "OK", 2);
  await expect(checkBill(bill, lines, few, ledger.genesis, ledger.chainId)).rejects.toThrow("3 are needed");
  const proof = await ledger.prove(bill);
  await expect(checkBill(bill, lines, proof, ledger.genesis, "ab".repeat(32))).rejects.toThrow("another ledger");
  const other = await founded();
  await expect(checkBill(bill, lines, proof, other.genesis, other.chainId)).rejects.toThrow("another ledger");
});
