/** Where things of the ledger are looked at. */

import { part } from "../../api/client";

export const LEDGER = "/ledger";

export const toBlock = (which: number | string) => `${LEDGER}/blocks/${part(which)}`;
export const toTransaction = (id: string) => `${LEDGER}/transactions/${part(id)}`;
export const toIdentity = (id: string) => `${LEDGER}/identities/${part(id)}`;
export const toProposal = (id: string) => `${LEDGER}/governance/${part(id)}`;

/** Where what the search has found is looked at; '' where it has no page. */
export function toFound(kind: string, id: string): string {
  switch (kind) {
    case "block":
      return toBlock(id);
    case "transaction":
      return toTransaction(id);
    case "identity":
    case "account":
    case "wallet":
      return toIdentity(id);
    case "customer":
      return `/operator/customers/${part(id)}`;
    case "point":
      return `/operator/points/${part(id)}`;
    case "meter":
      return `/operator/meters/${part(id)}`;
    case "feeder":
      return `/operator/feeders/${part(id)}`;
    case "tariff":
      return `/operator/tariffs/${part(id)}`;
    case "invoice":
      return `/bills/${part(id)}`;
    default:
      return "";
  }
}
