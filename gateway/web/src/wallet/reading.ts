// What bytes mean that are about to be signed. The confirm sheet is drawn from this and from nothing else: it reads the
// very bytes that the key will sign. Every argument ends up on the sheet: a call that is not known, or that has one
// argument more, less or of another kind than is known, is shown as it stands, with a warning.

import type { Bytes } from "../ledger/bytes";
import { toHex } from "../ledger/bytes";
import { type Body, parseBody } from "../ledger/transaction";
import { type Line, line, Other, Taken } from "./taken";
import { tariffLines } from "./tariff";

export type { Line, Shown } from "./taken";

export interface Reading {
  readonly body: Body;
  /** `contract.function` where it is known, else null. */
  readonly call: Known | null;
  readonly lines: readonly Line[];
  /** The most that leaves the account's available money by this call, as far as the bytes say it. */
  readonly spendsMinor: bigint | null;
  /** The ledger adds to what is spent: fees, levies, tax. */
  readonly more: boolean;
  readonly warnings: readonly Warning[];
}

export type Warning = "unknownCall" | "otherLedger" | "otherSigner" | "longValid" | "sequence";

export interface Expected {
  readonly chainId: string;
  readonly identity: string;
  readonly nowMs: number;
  readonly currencyDigits: number;
}

type Draw = (take: Taken, expected: Expected) => { lines: Line[]; spends?: bigint; more?: boolean };

const VALID_LONGEST_MS = 10 * 60_000;

const order: Draw = (take, { currencyDigits }) => {
  const [energy, price] = [take.whole("energy_wh"), take.whole("price_micro")];
  const lines = [
    take.id("market"),
    take.id("point"),
    line("energy", "energyWh", energy),
    line("price", "price", price),
  ];
  lines.push(...take.time("from_ms", "delivery"), ...take.time("until_ms", "deliveryEnds"));
  lines.push(...take.time("expires_ms", "expires"));
  return { lines, spends: worthMinor(energy, price, currencyDigits), more: true };
};
const selling: Draw = (take, expected) => {
  const { lines, spends } = order(take, expected);
  return { lines: [...lines, line("worth", "money", spends ?? 0n)] };
};
const buying: Draw = (take, expected) => {
  const drawn = order(take, expected);
  return { ...drawn, lines: [...drawn.lines, line("worth", "money", drawn.spends ?? 0n)] };
};
const taking: Draw = (take) => ({
  lines: [take.number("order"), take.id("point"), ...take.part("energy_wh")],
  more: true,
});
const numbered =
  (name: string): Draw =>
  (take) => ({ lines: [take.number(name)] });

const approval: Draw = (take) => ({ lines: [take.code("proposal")] });
const claimed: Draw = (take) => ({ lines: [take.id("premises"), take.id("wallet")] });

/** Every call that pages make: a customer's, then those of staff. */
const CALLS = {
  "currency.transfer": (take) => {
    const amount = take.whole("amount_minor");
    return { lines: [line("amount", "money", amount), take.id("to"), ...take.words("purpose")], spends: amount };
  },
  "prepaid.reserve": (take) => {
    const amount = take.whole("amount_minor");
    return { lines: [line("atMost", "money", amount), take.id("point"), take.code("request")], spends: amount };
  },
  "prepaid.request_share": (take) => ({
    lines: [
      line("energy", "energy", take.whole("energy_mwh")),
      take.code("recipient_pan"),
      take.id("point", "fromPoint"),
      take.code("request"),
    ],
  }),
  "prepaid.take_emergency": (take) => ({ lines: [take.id("point")] }),
  "prepaid.collect_returns": (take) => ({ lines: [take.id("point")] }),
  "billing.pay": (take) => {
    const amount = take.whole("amount_minor");
    return { lines: [line("amount", "money", amount), take.id("invoice"), take.code("request")], spends: amount };
  },
  "billing.withdraw_balance": () => ({ lines: [] }),
  "billing.dispute": (take) => ({ lines: [take.id("invoice"), ...take.words("reason")] }),
  "market.bid": buying,
  "market.request": buying,
  "market.ask": selling,
  "market.offer": selling,
  "market.buy": taking,
  "market.sell": (take, expected) => ({ ...taking(take, expected), more: false }),
  "market.counter": (take, { currencyDigits }) => {
    const [energy, price] = [take.optional("energy_wh"), take.whole("price_micro")];
    const lines = [take.number("order"), take.id("point")];
    if (energy) lines.push(line("energy", "energyWh", energy));
    lines.push(line("price", "price", price));
    if (!energy) return { lines, more: true };
    const worth = worthMinor(energy, price, currencyDigits);
    return { lines: [...lines, line("worth", "money", worth)], spends: worth, more: true };
  },
  "market.accept": numbered("order"),
  "market.cancel": numbered("order"),
  "market.strategy": (take) => {
    const budget = take.whole("budget_minor");
    const lines = [take.id("market"), take.id("point"), take.code("rule")];
    lines.push(line("energy", "energyWh", take.whole("energy_wh")), line("price", "price", take.whole("price_micro")));
    const sell = take.optional("sell_price_micro");
    if (sell) lines.push(line("sellPrice", "price", sell));
    const target = take.optional("target_wh");
    if (target) lines.push(line("target", "energyWh", target));
    lines.push(line("budget", "money", budget), ...take.time("until_ms", "until"));
    return { lines, spends: budget };
  },
  "market.stop_strategy": numbered("strategy"),
  "registry.claim": (take) => ({ lines: [take.id("premises"), take.code("code_hash")] }),
  "registry.consent": (take) => ({
    lines: [take.id("point"), take.id("reader"), take.scopes("scopes"), ...take.time("until_ms", "until")],
  }),
  "registry.withdraw_consent": (take) => ({ lines: [take.id("point"), take.id("reader")] }),
  "registry.add_wallet": (take) => ({ lines: [take.id("wallet")] }),
  "registry.remove_wallet": (take) => ({ lines: [take.id("wallet")] }),
  "identity.rotate": (take) => ({ lines: [take.code("certificate"), take.code("proof")] }),
  "settlement.enroll": (take) => {
    const amount = take.whole("amount_minor");
    return { lines: [line("amount", "money", amount), take.id("point")], spends: amount };
  },
  "settlement.leave": (take) => ({ lines: [take.id("point"), ...take.words("area")] }),
  "governance.approve": approval,
  "governance.reject": approval,
  "billing.approve": approval,
  "commands.approve": approval,
  "feeder.approve": approval,
  "market.approve": approval,
  "metering.approve": approval,
  "prepaid.approve": approval,
  "settlement.approve": approval,
  "tariff.approve": approval,
  "currency.approve": (take) => ({ lines: [take.code("issue")] }),
  "registry.approve_claim": claimed,
  "registry.refuse_claim": claimed,
  "billing.run": (take) => ({ lines: [take.id("utility"), take.number("year"), take.number("month")] }),
  "billing.propose_resolve": (take) => ({ lines: [take.id("invoice"), ...take.words("resolution")] }),
  "tariff.propose_tariff": (take) => ({
    lines: [...tariffLines(take.fields("tariff")), ...take.time("from_ms", "holdsFrom")],
  }),
  "prepaid.propose_block": (take) => ({
    lines: [take.id("point"), take.code("kind"), take.flag("on"), ...take.words("reason")],
  }),
} as const satisfies Record<string, Draw>;

export type Known = keyof typeof CALLS;
export const KNOWN_CALLS = Object.keys(CALLS) as Known[];

/** Throws TransactionMalformed for what is no body at all. */
export function readingOf(bytes: Bytes, expected: Expected): Reading {
  const body = parseBody(bytes);
  const warnings: Warning[] = [];
  if (toHex(body.chainId) !== expected.chainId) warnings.push("otherLedger");
  if (toHex(body.creator) !== expected.identity) warnings.push("otherSigner");
  if ("sequence" in body.replay) warnings.push("sequence");
  else if (body.replay.validUntilMs > expected.nowMs + VALID_LONGEST_MS) warnings.push("longValid");
  const name = `${body.contract}.${body.function}`;
  const values = JSON.parse(body.arguments) as Record<string, unknown>;
  const known = Object.hasOwn(CALLS, name) ? (name as Known) : null;
  if (known) {
    try {
      const take = new Taken(values);
      const draw: Draw = CALLS[known];
      const { lines, spends, more } = draw(take, expected);
      take.end();
      return { body, call: known, lines, spendsMinor: spends ?? null, more: more ?? false, warnings };
    } catch (error) {
      if (!(error instanceof Other)) throw error;
    }
  }
  const lines = Object.entries(values).map(([label, value]) => line(label, "code", JSON.stringify(value)));
  return { body, call: null, lines, spendsMinor: null, more: true, warnings: [...warnings, "unknownCall"] };
}

/** What a call of others asks for, as the sheet would say it; null where it is not known. */
export function linesOf(name: string, values: unknown, currencyDigits: number): readonly Line[] | null {
  if (!Object.hasOwn(CALLS, name) || typeof values !== "object" || values === null) return null;
  try {
    const take = new Taken(values as Record<string, unknown>);
    const draw: Draw = CALLS[name as Known];
    const { lines } = draw(take, { chainId: "", identity: "", nowMs: 0, currencyDigits });
    take.end();
    return lines;
  } catch (error) {
    if (error instanceof Other) return null;
    throw error;
  }
}

/** Do two readings say the same to a person? All but the nonce and until when it is good. */
export function saysTheSame(one: Reading, other: Reading): boolean {
  const said = ({ body, warnings }: Reading) =>
    [
      toHex(body.chainId),
      toHex(body.creator),
      body.kind,
      body.contract,
      body.function,
      body.arguments,
      ...warnings,
    ].join();
  return said(one) === said(other);
}

/** Energy at a price per kWh, in minor units: rounded once, half to even, as the ledger does. */
export function worthMinor(energyWh: bigint, priceMicro: bigint, digits: number): bigint {
  const below = 1_000n * 10n ** BigInt(Math.max(0, 6 - digits));
  return halfEven(energyWh * priceMicro * 10n ** BigInt(Math.max(0, digits - 6)), below);
}

export function halfEven(above: bigint, below: bigint): bigint {
  let [whole, rest] = [above / below, above % below];
  if (rest < 0n) [whole, rest] = [whole - 1n, rest + below];
  const twice = rest * 2n;
  return twice > below || (twice === below && whole % 2n !== 0n) ? whole + 1n : whole;
}
