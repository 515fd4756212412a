"""Units of prepaid meters: what a meter has is what entered, less what left and what was used.

account    balance = credited - shared - cleared - consumed, as the meter signed it last
credit     what was redeemed is what was credited
share      what was debited is what was shared
lot        what is left of all lots, less what is short, is the balance
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledgernode.audit.journal import Item
from ledgernode.audit.law import Law, Sums, Term

PREPAID: Final = "prepaid"
_PARTS: Final = (
    ("credited_mwh", "redeemed_mwh", "tokens were redeemed"),
    ("shared_mwh", "debited_mwh", "shares were debited"),
    ("balance_mwh", "lots_mwh", "lots hold"),
)


class Balances(Law):
    """By point."""

    name = "prepaid: meter balance = tokens + transfers in + returns - transfers out - consumption"
    reads = ((PREPAID, "account"), (PREPAID, "credit"), (PREPAID, "share"), (PREPAID, "lot"), (PREPAID, "queue"))

    def terms(self, item: Item) -> Iterable[Term]:
        record = item.record
        match item.kind:
            case "account":
                for name in ("credited_mwh", "shared_mwh", "cleared_mwh", "consumed_mwh", "balance_mwh"):
                    yield item.parts[0], name, record[name]
            case "credit" if record["status"] == "redeemed":
                yield record["point"], "redeemed_mwh", record["energy_mwh"]
            case "share" if record["debited_ms"]:
                yield record["sender"], "debited_mwh", record["energy_mwh"]
            case "lot":
                yield item.parts[0], "lots_mwh", record["left_mwh"]
            case "queue":
                yield item.parts[0], "lots_mwh", -record["short_mwh"]

    def wrong(self, subject: str, sums: Sums) -> str:
        for own, other, words in _PARTS:
            if sums.get(own, 0) != sums.get(other, 0):
                return f"{subject}: {own} is {sums.get(own, 0)}, {words} {sums.get(other, 0)}"
        return ""

    def flaw(self, item: Item) -> str:
        record = item.record
        if item.kind == "account":
            left = record["credited_mwh"] - record["shared_mwh"] - record["cleared_mwh"] - record["consumed_mwh"]
            if left != record["balance_mwh"]:
                return f"{item.parts[0]} has {record['balance_mwh']} mWh, what entered less what left is {left}"
        if item.kind == "lot":
            worth = record["worth"]
            whole = (worth["energy_mwh"], worth["net_minor"], worth["tax_minor"])
            left = (record["left_mwh"], record["left_net_minor"], record["left_tax_minor"])
            if any(not 0 <= part <= of for part, of in zip(left, whole, strict=True)):
                return f"lot {record['number']} of {item.parts[0]} has {left} left of {whole}"
        return ""
