// On which terms a posted order is answered: as it stands, in part, or, an offer, below its price.

import type { OpenRow } from "../../../api/rows";
import type { Call } from "../../../wallet/signing";

export interface Terms {
  readonly energyWh: bigint;
  readonly priceMicro: bigint;
}

/** What was typed; empty is what the board says. null where it cannot be: none, more than is left, above an offer's price. */
export function termsOf(row: OpenRow, energyWh: bigint | null | "", priceMicro: bigint | null | ""): Terms | null {
  const energy = energyWh === "" ? BigInt(row.energy_wh) : energyWh;
  const price = priceMicro === "" ? BigInt(row.price_micro) : priceMicro;
  if (energy === null || energy <= 0n || energy > BigInt(row.energy_wh)) return null;
  if (price === null || price > BigInt(row.price_micro)) return null;
  return { energyWh: energy, priceMicro: price };
}

/** Below its price an offer is bid for; at its price it is bought, a request delivered to, and money moves at once. */
export function answerTo(row: OpenRow, point: string, terms: Terms): Call {
  const values = { order: row.number, point, energy_wh: Number(terms.energyWh) };
  if (row.side === "bid") return { contract: "market", function: "sell", arguments: values };
  if (terms.priceMicro === BigInt(row.price_micro)) return { contract: "market", function: "buy", arguments: values };
  const price_micro = Number(terms.priceMicro);
  return { contract: "market", function: "counter", arguments: { ...values, price_micro } };
}
