// What the console knows of an answer: its ETag, its refusal, its time.

import { expect, it } from "vitest";

import { addressOf, Client, part } from "../src/api/client";
import { isSignedOut, mayPass, Refused, Unreachable } from "../src/api/problem";

const json = (body: unknown, init: ResponseInit = {}) => new Response(JSON.stringify(body), init);

function answering(...answers: (() => Response)[]) {
  const asked: { address: string; headers: Headers }[] = [];
  const ask = async (address: unknown, init?: RequestInit) => {
    asked.push({ address: String(address), headers: new Headers(init?.headers) });
    const next = answers.shift();
    if (!next) throw new TypeError("no network");
    return next();
  };
  return { asked, client: new Client(ask as typeof fetch, () => 1_000_000) };
}

it("asks again by ETag and keeps what has not changed", async () => {
  const { asked, client } = answering(
    () => json({ items: [1] }, { headers: { etag: '"7"', "model-height": "41", "model-state": "following" } }),
    () =>
      new Response(null, {
        status: 304,
        headers: { "model-height": "42", "model-state": "ledger away", "model-behind": "3" },
      }),
  );
  const first = await client.get("/blocks", { size: 1 });
  expect(await client.get("/blocks", { size: 1 })).toBe(first);
  expect(asked[1]?.headers.get("if-none-match")).toBe('"7"');
  expect(client.health()).toEqual({
    reached: "yes",
    modelHeight: 42,
    modelState: "ledger away",
    modelBehind: 3,
  });
  expect(asked[0]?.address).toBe("/api/v1/blocks?size=1");
});

it("says a refusal by its code, also where it is no problem document", async () => {
  const problem = { status: 409, code: "prepaid.DAY_LIMIT", title: "…", detail: "enough for today", retry_ms: 5 };
  const { client } = answering(
    () => json(problem, { status: 409, headers: { "content-type": "application/problem+json" } }),
    () => new Response("<html>", { status: 502, statusText: "Bad Gateway" }),
    () => new Response("", { status: 401 }),
  );
  const refused = await client.get("/x").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({ code: "prepaid.DAY_LIMIT", message: "enough for today" });
  expect(mayPass(refused)).toBe(false);
  const broken = await client.get("/x").catch((error: unknown) => error);
  expect([(broken as Refused).code, mayPass(broken)]).toEqual(["HTTP_502", true]);
  expect(isSignedOut(await client.get("/x").catch((error: unknown) => error))).toBe(true);
});

it("knows when nobody answers, and tells who watches", async () => {
  const { client } = answering(() => json({}));
  const told: string[] = [];
  client.watch(() => told.push(client.health().reached));
  await client.get("/ledger");
  await expect(client.get("/ledger")).rejects.toThrow(Unreachable);
  expect(told).toEqual(["yes", "no"]);
});

it("has the gateway's time where this machine's clock is wrong", async () => {
  const { client } = answering(
    () => json({}, { headers: { date: new Date(1_001_000).toUTCString() } }),
    () => json({}, { headers: { date: new Date(4_600_000).toUTCString() } }),
  );
  await client.get("/a");
  expect(client.now()).toBe(1_000_000);
  await client.get("/a");
  expect(client.now()).toBe(4_600_000);
});

it("writes ids and questions into an address", () => {
  expect(addressOf(`/points/${part("north:point/1")}/series`, { from_ms: 0, by: undefined, after: "" })).toBe(
    "/api/v1/points/north%3Apoint%2F1/series?from_ms=0",
  );
});
