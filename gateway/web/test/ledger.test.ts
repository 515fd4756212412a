// Bytes built here equal the bytes the ledger builds: the same vectors as Python's, C's and the ESP32's.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { encodeArguments } from "../src/ledger/arguments";
import { fromHex, sha256, toHex } from "../src/ledger/bytes";
import { entryMessage, identityOf, importPrivate, sign, verify } from "../src/ledger/keys";
import { type Body, call, encodeBody, envelope, newNonce, parseBody, transactionId } from "../src/ledger/transaction";

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), "utf8"));

interface Vector {
  secret: string;
  kind: Body["kind"];
  chain_id: string;
  creator: string;
  nonce: string | null;
  valid_until_ms: number;
  sequence: string | number | null;
  budget: number;
  contract: string;
  function: string;
  arguments: string;
  body: string;
  id: string;
  signature: string;
  envelope: string;
  envelope_hash: string;
}

const bodyOf = (vector: Vector): Body => ({
  kind: vector.kind,
  chainId: fromHex(vector.chain_id),
  creator: fromHex(vector.creator),
  replay: vector.nonce
    ? { nonce: fromHex(vector.nonce), validUntilMs: vector.valid_until_ms }
    : { sequence: BigInt(vector.sequence ?? 0) },
  budget: vector.budget,
  contract: vector.contract,
  function: vector.function,
  arguments: vector.arguments,
});

describe("transactions", () => {
  const all: Vector[] = JSON.parse(
    // a sequence near 2^63 is read as text, not as a number that rounds
    readFileSync(new URL("../../../tests/vectors/transaction.json", import.meta.url), "utf8").replace(
      /"sequence": (\d+)/g,
      '"sequence": "$1"',
    ),
  );

  it.each(all)("$id: body, id and envelope", async (vector) => {
    const body = encodeBody(bodyOf(vector));
    expect(toHex(body)).toBe(vector.body);
    expect(toHex(await transactionId(body))).toBe(vector.id);
    const publicKey = fromHex(vector.envelope.slice(0, 130));
    expect(await verify(publicKey, body, fromHex(vector.signature))).toBe(true);
    const whole = envelope(publicKey, fromHex(vector.signature), body);
    expect(toHex(whole)).toBe(vector.envelope);
    expect(toHex(await sha256(whole))).toBe(vector.envelope_hash);
  });

  it.each(all)("$id: read back as it was", (vector) => {
    expect(parseBody(fromHex(vector.body))).toEqual(bodyOf(vector));
  });

  it.each(all)("$id: signed here, it holds, in the lower form", async (vector) => {
    const publicKey = fromHex(vector.envelope.slice(0, 130));
    const key = await importPrivate(fromHex(vector.secret), publicKey);
    for (let round = 0; round < 8; round++) {
      const message = fromHex(vector.body + toHex(newNonce()));
      expect(await verify(publicKey, message, await sign(key, message))).toBe(true);
    }
    await expect(crypto.subtle.exportKey("jwk", key)).rejects.toThrow();
  });

  it("refuses bytes that are not one body", () => {
    const body = fromHex(all[0]?.body ?? "");
    for (const cut of [0, 50, 116, body.length - 1]) expect(() => parseBody(body.slice(0, cut))).toThrow();
    expect(() => parseBody(fromHex(`${all[0]?.body}00`))).toThrow("as long as they say");
    expect(() => parseBody(body.map((one, at) => (at === 3 ? one ^ 1 : one)))).toThrow("neither");
  });

  it("refuses names and numbers the format cannot hold", () => {
    const of = bodyOf(all[0] as Vector);
    expect(() => encodeBody({ ...of, contract: "1st" })).toThrow("no name");
    expect(() => encodeBody({ ...of, function: "ü" })).toThrow("no name");
    expect(() => encodeBody({ ...of, budget: 2 ** 32 })).toThrow("4 bytes");
    expect(() => encodeBody({ ...of, replay: { sequence: 1n << 63n } })).toThrow("2^63");
    expect(() => encodeBody({ ...of, chainId: fromHex("00") })).toThrow("32 bytes");
  });

  it("builds a call from values", () => {
    const of = bodyOf(all[0] as Vector);
    expect(toHex(encodeBody(call("currency", "transfer", { to: "Zürich", amount: 25 }, of)))).toBe(all[0]?.body);
  });
});

describe("arguments", () => {
  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -0])("refuses the number %s", (number) => {
    expect(() => encodeArguments({ amounts: [number] })).toThrow("the arguments.amounts[0]");
  });
  it("refuses half a character, in values and in names", () => {
    expect(() => encodeArguments({ note: "\ud83d" })).toThrow("stands alone");
    expect(() => encodeArguments({ "\ud83d": 1 })).toThrow("stands alone");
  });
  it("writes text as it is", () => {
    expect(encodeArguments({ to: "Zürich", deep: { list: [1, null, true] } })).toBe(
      '{"to":"Zürich","deep":{"list":[1,null,true]}}',
    );
  });
});

it("derives an identity from its first key", async () => {
  for (const one of vectors("identity")) {
    expect(toHex(await identityOf(fromHex(one.public_key)))).toBe(one.id);
  }
});

it("signs the challenge that the console checks", async () => {
  for (const one of vectors("entry")) {
    const message = entryMessage(fromHex(one.chain_id), one.origin, fromHex(one.nonce), one.expires_ms);
    expect(toHex(message)).toBe(one.message);
    const publicKey = fromHex(vectors("transaction")[0].envelope.slice(0, 130));
    expect(await verify(publicKey, message, fromHex(one.signature))).toBe(true);
  }
});

it("takes exactly the signatures the ledger takes", async () => {
  for (const one of vectors("signature")) {
    const held = await verify(fromHex(one.public_key), fromHex(one.message), fromHex(one.signature)).catch(() => false);
    expect(held).toBe(one.holds);
  }
});
