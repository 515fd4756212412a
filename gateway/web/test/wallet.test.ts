// Words and keys: the vectors that `ledgernode wallet recover` keeps, and a vault that gives no key away.

import "fake-indexeddb/auto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

import { toHex, utf8 } from "../src/ledger/bytes";
import { sign, verify } from "../src/ledger/keys";
import { keyFromPhrase, newPhrase, PhraseInvalid, wordsLike } from "../src/wallet/phrase";
import { accounts, forget, keep } from "../src/wallet/vault";

const vectors: { phrase: string; account: number; public_key: string }[] = JSON.parse(
  readFileSync(new URL("../../../tests/vectors/wallet.json", import.meta.url), "utf8"),
);

it.each(vectors)("the phrase's account $account has the ledger's key", async ({ phrase, account, public_key }) => {
  const key = await keyFromPhrase(phrase, account);
  expect(toHex(key.publicKey)).toBe(public_key);
  expect(key.privateKey.extractable).toBe(false);
  const message = utf8("a transfer");
  expect(await verify(key.publicKey, message, await sign(key.privateKey, message))).toBe(true);
});

it("makes another phrase each time, of words it suggests", async () => {
  const [one, other] = [newPhrase(), newPhrase()];
  expect(one).not.toBe(other);
  for (const word of one.split(" ")) expect(wordsLike(word)).toContain(word);
});

it("reads words however they are typed, and says which are wrong", async () => {
  const phrase = vectors[0]?.phrase ?? "";
  const typed = await keyFromPhrase(`  ${phrase.toUpperCase().replaceAll(" ", "\n")} `);
  expect(toHex(typed.publicKey)).toBe(vectors[0]?.public_key);
  const wrong = phrase.split(" ");
  wrong[3] = "secretword";
  const refused = await keyFromPhrase(wrong.join(" ")).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(PhraseInvalid);
  expect((refused as PhraseInvalid).unknown).toEqual([4]);
  expect((refused as PhraseInvalid).message).not.toContain("secretword");
  await expect(keyFromPhrase("abandon ".repeat(12))).rejects.toThrow("together they are no phrase");
  await expect(keyFromPhrase("abandon")).rejects.toThrow("this one 1");
});

it("keeps accounts in order, replaces a rotated key under its identity, and forgets", async () => {
  const first = await keep(await keyFromPhrase(newPhrase()), "home", 2);
  const second = await keep(await keyFromPhrase(newPhrase()), "work", 1);
  expect((await accounts()).map((one) => one.name)).toEqual(["work", "home"]);
  const rotated = await keyFromPhrase(newPhrase());
  await keep(rotated, "home", 2, first.identity);
  const home = (await accounts()).find((one) => one.identity === first.identity);
  expect(toHex(home?.publicKey ?? utf8(""))).toBe(toHex(rotated.publicKey));
  await forget(second.identity);
  expect(await accounts()).toHaveLength(1);
});
