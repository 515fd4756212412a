"""A token has one life: reserved -> minted -> delivered -> redeemed, or burned; and its content never changes.

    reserved  -> minted, burned
    minted    -> delivered, redeemed, burned by the meter's proof
    delivered -> redeemed, burned by the meter's proof

Each turn is told once. Digits stand for one credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ledgernode.audit.journal import Item, Step, Written
from ledgernode.audit.law import Law, Sums, Term

PREPAID: Final = "prepaid"
_LIFE: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("reserved",),
    "reserved": ("minted", "burned"),
    "minted": ("delivered", "redeemed", "burned"),
    "delivered": ("redeemed", "burned"),
    "redeemed": (),
    "burned": (),
}
_EVENTS: Final = {
    "CreditReserved": "reserved",
    "CreditMinted": "minted",
    "CreditDelivered": "delivered",
    "CreditRedeemed": "redeemed",
    "CreditBurned": "burned",
}
_FIXED: Final = ("number", "point", "utility", "kind", "units", "energy_mwh", "withheld_mwh", "rnd", "payer", "request")


class Lives(Law):
    """By digest of the digits, and by what each transaction does to a credit."""

    name = "tokens: each has one life, reserved -> minted -> delivered -> redeemed or burned"
    reads = ((PREPAID, "credit"), (PREPAID, "token"))
    hears = frozenset({PREPAID})

    def terms(self, item: Item) -> Iterable[Term]:
        if item.kind == "token":
            yield item.parts[0], "tokens", 1
        elif item.record["token_hash"]:
            yield item.record["token_hash"], "credits", 1

    def wrong(self, subject: str, sums: Sums) -> str:
        known, meant = sums.get("tokens", 0), sums.get("credits", 0)
        whole = known == meant and meant <= 1
        return "" if whole else f"the digits {subject[:16]} stand for {meant} credits, and are known {known} times"

    def flaw(self, item: Item) -> str:
        record = item.record
        if item.kind == "token":
            return ""
        if (record["status"] not in ("reserved", "burned")) and not record["token_hash"]:
            return f"credit {record['number']} is {record['status']} without digits"
        if record["status"] == "burned" and record["token_hash"] and not record["proven"]:
            return f"credit {record['number']} was minted, and burned without the meter's proof"
        return ""

    def change(self, step: Step) -> str:
        turned: dict[tuple[int, str], int] = {}
        for one in step.writes(PREPAID, "credit"):
            if text := _turn(one):
                return text
            then = one.before["status"] if one.before is not None else ""
            if one.after["status"] != then:
                turned[one.after["number"], one.after["status"]] = 1
                self.count(f"{one.after['status']}_tokens")
        told: dict[tuple[int, str], int] = {}
        for event in step.events(PREPAID, *_EVENTS):
            key = (event.payload["credit"], _EVENTS[event.name])
            told[key] = told.get(key, 0) + 1
        for number, status in sorted({*turned, *told}):
            times = told.get((number, status), 0)
            if times != turned.get((number, status), 0):
                return f"credit {number} is {times} times told to be {status}, which it did not become so often"
        return ""

    def shown(self, sums: Mapping[str, Sums]) -> dict[str, int]:
        return {"tokens": len(sums)} if sums else {}


def _turn(one: Written) -> str:
    """What is wrong with one turn of a credit's life."""
    if one.after is None:
        return f"credit {one.before['number']} was removed"
    then: Any = one.before
    status = then["status"] if then is not None else ""
    now = one.after["status"]
    if then is not None:
        changed = [name for name in _FIXED if then[name] != one.after[name]]
        if changed:
            return f"{changed[0]} of credit {then['number']} changed"
        if then["token_hash"] and then["token_hash"] != one.after["token_hash"]:
            return f"credit {then['number']} got other digits"
    if now != status and now not in _LIFE[status]:
        return f"credit {one.after['number']} was {status or 'nothing'}, and is {now}"
    return ""
