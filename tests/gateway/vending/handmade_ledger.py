"""The ledger as far as a seller sees it, by hand: requests, credits, a hold that may end; and a power cut anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.vending.minting import Token
from ledgernode.client import Signer
from ledgernode.client.connection import typed

METER = "600727000000000009"
OTHER = "600727000000000017"
PRICE_MINOR = 10
"""Of a unit, 0.1 kWh."""


class PowerCut(Exception):
    """The process ends here."""


class Cuts:
    """Counts the places at which a process may end, and ends it at one of them."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.passed = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise PowerCut


class HandmadeLedger:
    """One utility's."""

    utility = "north"

    def __init__(self) -> None:
        self.cut: Callable[[], None] = lambda: None
        self.credits: list[dict[str, Any]] = []
        self.requests: dict[str, int] = {}
        self.refusal = ""
        self.group = "123457"
        self.trouble: Exception | None = None
        self.paid_minor = 0
        self.asked: list[str] = []

    async def currency(self) -> str:
        return "EUR"

    async def meter(self, pan: str) -> dict[str, Any]:
        self._may_fail()
        if pan == OTHER:
            raise typed("registry.UNKNOWN", "no meter has this PAN")
        return {"id": "aa", "point": "north:house", "utility": "north", "removed_ms": 0}

    async def supply_group(self, point: str, pan: str) -> str:
        return self.group

    async def reserve(self, payer: Signer, point: str, amount_minor: int, request: str) -> dict[str, Any]:
        self._may_fail()
        self.asked.append(request)
        if self.refusal:
            raise typed(self.refusal, "no")
        if request not in self.requests:
            number = len(self.credits) + 1
            units = amount_minor // PRICE_MINOR
            self.requests[request] = number
            self.credits.append(
                {
                    "number": number, "point": point, "kind": "vend", "status": "reserved", "units": units,
                    "pan": METER, "base": 2014, "tid": 6_000_000 + number, "rnd": 5, "key_revision": 1,
                    "tariff_index": 1, "lines": [], "total_minor": units * PRICE_MINOR, "minted_ms": 0,
                    "rest_minor": amount_minor - units * PRICE_MINOR, "token_hash": "",
                }
            )  # fmt: skip
        self.cut()
        return dict(self.credits[self.requests[request] - 1])

    async def credit(self, token: Token) -> dict[str, Any]:
        self._may_fail()
        return dict(self.credits[token.credit - 1])

    async def mint(self, token: Token, token_hash: str) -> dict[str, Any]:
        self._may_fail()
        credit = self.credits[token.credit - 1]
        if credit["status"] != "reserved":
            if credit["token_hash"] != token_hash or credit["status"] == "burned":
                raise typed("prepaid.CREDIT_STATUS", "it is over")
            return dict(credit)
        credit |= {"status": "minted", "token_hash": token_hash, "minted_ms": 1}
        self.paid_minor += credit["total_minor"]
        self.cut()
        return dict(credit)

    async def delivered(self, token: Token) -> dict[str, Any]:
        self._may_fail()
        self.credits[token.credit - 1]["status"] = "delivered"
        return dict(self.credits[token.credit - 1])

    def let_go(self) -> None:
        """The hold of every reservation ends."""
        for credit in self.credits:
            if credit["status"] == "reserved":
                credit["status"] = "burned"

    def minted(self) -> list[dict[str, Any]]:
        return [credit for credit in self.credits if credit["minted_ms"]]

    def _may_fail(self) -> None:
        self.cut()
        if self.trouble is not None:
            raise self.trouble
