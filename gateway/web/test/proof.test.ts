// Proofs hold here as they do elsewhere, and nothing in them can be altered: the vectors of docs/formats.md.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { utf8 } from "../src/ledger/bytes";
import { checkProof, ProofInvalid, quorumOf } from "../src/ledger/proof";

interface Vector {
  kind: string;
  genesis: string;
  proof: string;
  receipt: { id: string; origin: string; code: string };
}

const vectors: Vector[] = JSON.parse(
  readFileSync(new URL("../../../tests/vectors/proof.json", import.meta.url), "utf8"),
);

describe.each(vectors)("the proof of a $kind", ({ kind, genesis, proof, receipt }) => {
  it("holds with the genesis file alone", async () => {
    const checked = await checkProof(proof, utf8(genesis));
    expect(checked.receipt).toMatchObject({ id: receipt.id, origin: receipt.origin, code: receipt.code });
    expect(checked.signers.length).toBeGreaterThanOrEqual(checked.quorum);
    expect(checked.body === null).toBe(kind !== "transaction");
    expect(checked.setChanges).toBe(2);
  });

  it("does not hold of another ledger", async () => {
    await expect(checkProof(proof, utf8(`${genesis} `))).rejects.toThrow(ProofInvalid);
  });

  it("does not hold with any digit of it changed", async () => {
    const digits = [...proof.matchAll(/[0-9a-f]{16,}/g)].flatMap((run) =>
      [0.02, 0.35, 0.5, 0.98].map((part) => (run.index ?? 0) + Math.floor(run[0].length * part)),
    );
    expect(digits.length).toBeGreaterThan(20);
    for (const at of digits) {
      const other = proof[at] === "0" ? "1" : "0";
      await expect(checkProof(proof.slice(0, at) + other + proof.slice(at + 1), utf8(genesis))).rejects.toThrow();
    }
  });
});

it("needs as many signatures as the ledger does", () => {
  expect([1, 3, 4, 5, 6, 7, 10, 13].map(quorumOf)).toEqual([1, 2, 3, 4, 4, 5, 7, 9]);
});
