// Where people of each role can go. What they may see is the gateway's to decide; this is only what is in reach.

import type { IconName } from "../ui";

export type PageName =
  | "home"
  | "consumption"
  | "tokens"
  | "share"
  | "bills"
  | "market"
  | "wallet"
  | "operator"
  | "regulator"
  | "ledger";

export interface Place {
  readonly page: PageName;
  readonly href: string;
  readonly icon: IconName;
}

const PLACES: Record<PageName, Place> = {
  home: { page: "home", href: "/", icon: "home" },
  consumption: { page: "consumption", href: "/consumption", icon: "energy" },
  tokens: { page: "tokens", href: "/tokens", icon: "token" },
  share: { page: "share", href: "/share", icon: "share" },
  bills: { page: "bills", href: "/bills", icon: "bill" },
  market: { page: "market", href: "/market", icon: "market" },
  wallet: { page: "wallet", href: "/wallet", icon: "wallet" },
  operator: { page: "operator", href: "/operator", icon: "transformer" },
  regulator: { page: "regulator", href: "/regulator", icon: "shield" },
  ledger: { page: "ledger", href: "/ledger", icon: "block" },
};

const CUSTOMER: readonly PageName[] = ["home", "consumption", "tokens", "share", "bills", "market", "wallet", "ledger"];
const STAFF: readonly PageName[] = ["operator", "market", "ledger", "wallet"];
const REGULATOR: readonly PageName[] = ["regulator", "operator", "market", "ledger", "wallet"];

export const isStaff = (role: string): boolean => role === "admin" || role === "operator";

export function placesOf(role: string): readonly Place[] {
  const pages = role === "regulator" ? REGULATOR : isStaff(role) ? STAFF : CUSTOMER;
  return pages.map((page) => PLACES[page]);
}

export const firstPlace = (role: string): string => placesOf(role)[0]?.href ?? "/ledger";
