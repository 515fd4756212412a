"""Money is neither made nor lost: the supply is what all accounts hold, and only minting and burning change it.

account    available, in escrow, number of entries
escrow     by owner and name: what an owner's escrows hold together is what the account has in escrow
book       the supply
entry      one movement of an account, with the balances after it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledgernode.audit.journal import Item, Step
from ledgernode.audit.law import Law, Sums, Term

CURRENCY = "currency"
_SUPPLY = "supply"


class Supply(Law):
    """Over all accounts, and between each account and its escrows; and each transaction says what it has issued."""

    name = "currency: supply = sum of all accounts = minted - burned"
    reads = ((CURRENCY, "book"), (CURRENCY, "account"), (CURRENCY, "escrow"))
    hears = frozenset({CURRENCY})

    def terms(self, item: Item) -> Iterable[Term]:
        record = item.record
        if item.kind == "book":
            yield _SUPPLY, "supply_minor", record["supply_minor"]
        elif item.kind == "account":
            yield _SUPPLY, "available_minor", record["available_minor"]
            yield _SUPPLY, "escrow_minor", record["escrow_minor"]
            yield item.parts[0], "account_minor", record["escrow_minor"]
            yield item.parts[0], "accounts", 1
        else:
            yield item.parts[0], "escrows_minor", record["amount_minor"]

    def wrong(self, subject: str, sums: Sums) -> str:
        if subject == _SUPPLY:
            supply, available, escrow = (sums.get(f"{name}_minor", 0) for name in ("supply", "available", "escrow"))
            held = f"the accounts hold {available} + {escrow} in escrow"
            return f"the book says {supply}, {held}" if supply != available + escrow else ""
        account, escrows = sums.get("account_minor", 0), sums.get("escrows_minor", 0)
        if escrows and not sums.get("accounts", 0):
            return f"there is an escrow of {subject}, who has no account"
        return f"account {subject} has {account} in escrow, its escrows hold {escrows}" if account != escrows else ""

    def flaw(self, item: Item) -> str:
        record = item.record
        if item.kind == "account" and (record["available_minor"] < 0 or record["escrow_minor"] < 0):
            return f"account {item.parts[0]} is below zero"
        if item.kind == "escrow" and record["amount_minor"] <= 0:
            return f"escrow {item.parts[1]} of {item.parts[0]} holds {record['amount_minor']}"
        return ""

    def change(self, step: Step) -> str:
        sides = (side for one in step.writes(CURRENCY, "book") for side in one.sides())
        more = sum(sign * item.record["supply_minor"] for sign, item in sides)
        issued = 0
        for event in step.events(CURRENCY, "Minted", "Burned"):
            issued += event.payload["amount_minor"] * (1 if event.name == "Minted" else -1)
        self.count("issued_minor", issued)
        return f"the supply changed by {more}, by events {issued} is minted less burned" if more != issued else ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        return {**sums[_SUPPLY], "issued_minor": 0} if _SUPPLY in sums else {}


class Statement(Law):
    """Of every account that a transaction touches: its new entries are numbered on, and end at its balances."""

    name = "currency: every movement stands in the statement"
    follows = ((CURRENCY, "account"), (CURRENCY, "entry"))

    def change(self, step: Step) -> str:
        entries: dict[str, list[dict[str, int]]] = {}
        for one in step.writes(CURRENCY, "entry"):
            if one.before is not None:
                return f"entry {one.parts[1]} of {one.parts[0]} was written again"
            entries.setdefault(one.parts[0], []).append(one.after)
        for one in step.writes(CURRENCY, "account"):
            account = one.parts[0]
            then = one.before or {"available_minor": 0, "escrow_minor": 0, "entries": 0}
            now = one.after or then
            made = sorted(entries.pop(account, []), key=lambda entry: entry["number"])
            self.count("movements", len(made))
            if now["entries"] != then["entries"] + len(made):
                return f"account {account} has {now['entries']} entries, {then['entries']} before, {len(made)} are new"
            if made and any(made[-1][name] != now[name] for name in ("available_minor", "escrow_minor")):
                return f"account {account} ends at other balances than its last entry"
            if not made and now != then:
                return f"account {account} changed without an entry"
        return "".join(f"there are entries of {account}, whose account stood still" for account in sorted(entries)[:1])
