"""A point of sale: takes a customer's money on the ledger, and sells what the vending service gives for it.

The customer's transfer names the payment: its id is the idempotency key, so that however often the kiosk must ask, one
transfer buys one token. What a token cannot carry is change; a payment that is refused for good is given back.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final, NamedTuple

import msgspec

from gateway.http.post import post, read_url
from gateway.http.signature import Request, authorization, key_of
from gateway.vending.webhook import KEY_HEADER, PurchaseForm
from ledgernode.errors import CommitUnknown, ContractRefused, NodeUnreachable
from living.people import Call, Member
from living.place import CURRENCY, Place
from living.vending import KIOSK

_TRIED_S: Final = 60.0
_ANSWER_S: Final = 20.0
_AGAIN_S: Final = 0.3
_WAITS: Final = frozenset({429, 500, 503, 504})
"""It is not over yet: the same is asked again."""


class Sold(NamedTuple):
    digits: str
    tid: int


class Kiosk:
    """Of a place; `url` is its vending service, `secret` what that has let it in with."""

    def __init__(self, place: Place, url: str, secret: str) -> None:
        self._place = place
        self._payments = read_url(f"{url}/api/v1/payments")
        self._key = key_of(secret)

    async def sell(self, customer: Member, pan: str, amount_minor: int) -> Sold:
        """A token for a meter. Raises what the customer's transfer, or the payment, was refused for."""
        key = await self._transferred(customer, self._place.kiosk, amount_minor, f"token for {pan}")
        payment = {"meter": pan, "amount_minor": amount_minor, "currency": CURRENCY, "reference": customer.name}
        try:
            sold = await self._paid(key, msgspec.json.encode(payment))
        except ContractRefused:
            await self._transferred(self._place.kiosk, customer, amount_minor, f"back: {key[:16]}")
            raise
        if sold.rest_minor:
            await self._transferred(self._place.kiosk, customer, sold.rest_minor, f"change: {key[:16]}")
        return Sold(sold.token, sold.tid)

    async def _transferred(self, payer: Member, to: Member, amount_minor: int, purpose: str) -> str:
        """The transfer's id."""
        arguments = {"to": to.id, "amount_minor": amount_minor, "purpose": purpose}
        outcome = await self._place.people.attempt(Call(payer, "currency", "transfer", arguments))
        if not outcome.succeeded:
            raise ContractRefused(f"{payer.name} pays: {outcome.message}", code=outcome.code)
        return outcome.transaction_id.hex()

    async def _paid(self, key: str, body: bytes) -> PurchaseForm:
        """Asked, signed anew each time, until it is over. Raises CommitUnknown where that takes too long."""
        ends = time.monotonic() + _TRIED_S
        while time.monotonic() < ends:
            try:
                status, answer = await post(self._payments, body, self._headers(key, body), timeout_s=_ANSWER_S)
            except NodeUnreachable:
                status, answer = 503, b""
            if status == 200:
                return msgspec.json.decode(answer, type=PurchaseForm)
            if status not in _WAITS:
                problem: dict[str, Any] = msgspec.json.decode(answer)
                raise ContractRefused(str(problem.get("detail", "")), code=problem.get("code", str(status)))
            await asyncio.sleep(_AGAIN_S)
        raise CommitUnknown("the vending service does not come to an end")

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        signed = Request("POST", self._payments.target, body)
        now_ms = time.time_ns() // 1_000_000
        header = authorization(KIOSK, self._key, signed, now_ms, secrets.token_hex(8))
        return {"Authorization": header, "Content-Type": "application/json", KEY_HEADER: key}
