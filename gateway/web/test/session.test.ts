// Entering and signing: for this ledger, this page and this call, and for nothing else.

import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { LedgerInfo } from "../src/api/answers";
import { api } from "../src/api/client";
import { fromHex, toHex } from "../src/ledger/bytes";
import { entryMessage, verify } from "../src/ledger/keys";
import { parseBody, transactionId } from "../src/ledger/transaction";
import { ATTENDED_MS, attending } from "../src/session/attended";
import { enter, OtherLedger, OtherOrigin } from "../src/session/session";
import { signedBy } from "../src/wallet/history";
import { keyFromPhrase, newPhrase } from "../src/wallet/phrase";
import { prepare, query, renewed, submit } from "../src/wallet/signing";
import { type Account, accounts, keep } from "../src/wallet/vault";

const ORIGIN = "https://console.north.example";
const CHAIN = "ee".repeat(32);
const ledger: LedgerInfo = {
  name: "north",
  chain_id: CHAIN,
  engine: "pbft",
  parameters: { budget: 500_000, validity_ms: 600_000 },
  ground: null,
  model: { height: 1, time_ms: 0, state: "following", behind: 0 },
};
const pay = { contract: "billing", function: "pay", arguments: { invoice: "north:7", amount_minor: 42, request: "r" } };

let account: Account;
let answers: Record<string, () => Response>;
let asked: { path: string; body: Uint8Array<ArrayBuffer> | string }[];

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": status < 400 ? "application/json" : "application/problem+json" },
  });

beforeEach(async () => {
  asked = [];
  account = await keep(await keyFromPhrase(newPhrase()), "home", Date.now());
  const challenge = { chain_id: CHAIN, origin: ORIGIN, nonce: "ab".repeat(32), expires_ms: 61_000 };
  answers = {
    "/api/v1/session/challenges": () => json(challenge),
    "/api/v1/session": () =>
      json({ identity: account.identity, organisation: "north", role: "customer", attributes: {} }),
  };
  vi.stubGlobal("location", { origin: ORIGIN });
  vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
    const [plain = ""] = path.split("?");
    asked.push({ path: plain, body: init?.body as Uint8Array<ArrayBuffer> });
    const answer = answers[plain];
    if (!answer) throw new TypeError("no network");
    return answer();
  });
});
afterEach(() => vi.unstubAllGlobals());

it("signs the challenge for this ledger and this page, and remembers the ledger", async () => {
  const { person, account: entered } = await enter(account);
  expect(person.identity).toBe(account.identity);
  expect(entered.chainId).toBe(CHAIN);
  const sent = JSON.parse(String(asked.at(-1)?.body));
  const message = entryMessage(fromHex(CHAIN), ORIGIN, fromHex(sent.nonce), 61_000);
  expect(await verify(account.publicKey, message, fromHex(sent.signature))).toBe(true);
  expect((await accounts()).find((one) => one.identity === account.identity)?.chainId).toBe(CHAIN);
});

it("signs nothing for another ledger, nor for a gateway that speaks for another page", async () => {
  const { account: entered } = await enter(account);
  answers["/api/v1/session/challenges"] = () =>
    json({ chain_id: "cc".repeat(32), origin: ORIGIN, nonce: "ab".repeat(32), expires_ms: 1 });
  const before = asked.length;
  await expect(enter(entered)).rejects.toThrow(OtherLedger);
  answers["/api/v1/session/challenges"] = () =>
    json({ chain_id: CHAIN, origin: "https://mallory.example", nonce: "ab".repeat(32), expires_ms: 1 });
  await expect(enter(entered)).rejects.toThrow(OtherOrigin);
  expect(asked.slice(before).map((one) => one.path)).toEqual(Array(2).fill("/api/v1/session/challenges"));
});

it("takes the identity that the ledger names: a key that was rotated to is another's first", async () => {
  const identity = "12".repeat(32);
  answers["/api/v1/session"] = () => json({ identity, organisation: "north", role: "customer", attributes: {} });
  const { account: entered } = await enter(account);
  expect(entered.identity).toBe(identity);
  const kept = (await accounts()).map((one) => one.identity);
  expect(kept).toContain(identity);
  expect(kept).not.toContain(account.identity);
});

it("renews nonce and validity of a call, and nothing else of it", async () => {
  const body = prepare(pay, account, ledger, "transaction");
  const fresh = parseBody(await renewed(body, ledger));
  const before = parseBody(body);
  expect({ ...fresh, replay: null }).toEqual({ ...before, replay: null });
  expect(fresh.replay).not.toEqual(before.replay);
  const until = "validUntilMs" in fresh.replay ? fresh.replay.validUntilMs : 0;
  expect(until - api.now()).toBeLessThanOrEqual(300_000);
});

it("sends exactly the bytes that were shown, signed, and keeps them with what became of them", async () => {
  answers["/api/v1/transactions"] = () => json({ code: "OK", message: "", height: 9, result: null });
  const body = prepare(pay, account, ledger, "transaction");
  const outcome = await submit(body, account);
  expect(outcome).toMatchObject({ code: "OK", height: 9, id: toHex(await transactionId(body)) });
  const sent = asked.at(-1)?.body as Uint8Array<ArrayBuffer>;
  expect(toHex(sent.slice(129))).toBe(toHex(body));
  expect(await verify(sent.slice(0, 65), body, sent.slice(65, 129))).toBe(true);
  const [kept] = await signedBy(account.identity);
  expect(kept).toMatchObject({ id: outcome.id, code: "OK", height: 9 });
  expect(toHex(kept?.body ?? new Uint8Array())).toBe(toHex(body));
});

it("keeps what was signed also when nobody answers, or the gateway refuses it", async () => {
  const lost = prepare(pay, account, ledger, "transaction");
  await expect(submit(lost, account)).rejects.toThrow("cannot be reached");
  answers["/api/v1/transactions"] = () => json({ code: "BUDGET_EXCEEDED", title: "…", detail: "too dear" }, 400);
  const refused = prepare(pay, account, ledger, "transaction");
  await expect(submit(refused, account)).rejects.toThrow("too dear");
  const codes = (await signedBy(account.identity)).map((one) => one.code);
  expect(codes.sort()).toEqual(["BUDGET_EXCEEDED", null]);
});

it("asks contracts by queries, which can never be transactions", async () => {
  answers["/api/v1/queries"] = () => json({ result: { available_minor: 5 }, height: 3 });
  const asking = { contract: "currency", function: "balance", arguments: { account: account.identity } };
  expect(await query(asking, account, ledger)).toEqual({ available_minor: 5 });
  const sent = asked.at(-1)?.body as Uint8Array<ArrayBuffer>;
  expect(parseBody(sent.slice(129)).kind).toBe("query");
});

it("knows whether somebody is at the page", () => {
  let now = 0;
  const page = new EventTarget();
  const { look, end } = attending(page, () => now);
  expect(look()).toBe(true);
  now = ATTENDED_MS;
  expect(look()).toBe(false);
  page.dispatchEvent(new Event("keydown"));
  expect(look()).toBe(true);
  end();
  now = 3 * ATTENDED_MS;
  page.dispatchEvent(new Event("pointerdown"));
  expect(look()).toBe(false);
});
