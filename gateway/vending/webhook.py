"""What partners call.

    POST /api/v1/payments           Idempotency-Key: …   a customer has paid: units are sold, the token is the answer
    GET  /api/v1/payments/{key}                          the same answer again
    GET  /api/v1/quote?meter=…&amount_minor=…            what an amount buys now

Each request is signed with the partner's secret (`gateway/http/signature.py`), anew each time it is sent: what makes a
payment count once is its key, not its signature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from gateway.http.app import PREFIX, answer, gives, read_json, takes
from gateway.http.listed import Listed, signed_by
from gateway.http.signature import Seen
from gateway.limits import Limits
from gateway.vending.ledger import VendingLedger
from gateway.vending.partners import FILE, Partner, read_partners
from gateway.vending.payments import PaymentForm, Purchase, State
from gateway.vending.seller import Seller
from ledgernode.client.connection import typed
from ledgernode.errors import CredentialsInvalid

KEY_HEADER: Final = "idempotency-key"


class LineForm(msgspec.Struct, frozen=True):
    """One line of what was paid for, as the ledger has it."""

    kind: str
    name: str
    quantity: int
    unit: str
    price_micro: int
    amount_minor: int
    remainder_pico: int = 0


class PurchaseForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment's answer. `token` is the twenty digits, for the customer; the meter is told them too."""

    key: str
    state: str
    meter: str
    amount_minor: int
    currency: str
    reference: str = ""
    point: str = ""
    token: str = ""
    kwh: str = ""
    energy_mwh: int = 0
    total_minor: int = 0
    rest_minor: int = 0
    credit: int = 0
    base: int = 0
    tid: int = 0
    lines: list[LineForm] = []


class Partners:
    """Of a vending service's directory."""

    def __init__(self, directory: Path, limits: Limits, clock_ms: Callable[[], int]) -> None:
        self._listed = Listed(directory / FILE, lambda path: read_partners(path).partners)
        self._seen = Seen(limits.http_clock_ms, limits.http_nonces)
        self._clock_ms = clock_ms

    def find(self, name: str) -> Partner | None:
        return self._listed.find(name)

    async def caller(self, request: Request) -> Partner:
        """Who asks. Raises CredentialsInvalid, RequestStale, RequestReplayed."""
        claim = await signed_by(request, request.headers.get("authorization", ""), self._key)
        self._seen.take(claim, self._clock_ms())
        partner = self._listed.find(claim.name)
        if partner is None:
            raise CredentialsInvalid("the partner was taken out")
        return partner

    def _key(self, name: str) -> bytes | None:
        partner = self._listed.find(name)
        return None if partner is None else partner.key


def router(
    seller: Seller, ledger: VendingLedger, partners: Partners, *, answered: Callable[[int], Awaitable[None]]
) -> APIRouter:
    """The area. `answered` is told of each token that a partner was sent."""
    area = APIRouter(prefix=PREFIX, tags=["vending"])

    @area.post(
        "/payments", openapi_extra=takes(PaymentForm), responses=gives(PurchaseForm, "Sold, once: the token is in it")
    )
    async def pay(request: Request) -> Response:
        """A customer has paid. The same key again gives the same answer, also when that was a refusal."""
        partner = await partners.caller(request)
        form = await read_json(request, PaymentForm)
        key = request.headers.get(KEY_HEADER, "")
        return await _answered(await seller.pay(partner.name, key, form, limit_minor=partner.limit_minor))

    @area.get("/payments/{key:path}", responses=gives(PurchaseForm, "How far it is"))
    async def payment(request: Request, key: str) -> Response:
        """What became of a payment."""
        partner = await partners.caller(request)
        return await _answered(seller.find(partner.name, key))

    @area.get("/quote")
    async def quote(
        request: Request,
        meter: Annotated[str, Query(max_length=20)],
        amount_minor: Annotated[int, Query(ge=1, lt=1 << 53)],
    ) -> Response:
        """What an amount buys at a meter now: debts and fixed charges first. It promises nothing."""
        await partners.caller(request)
        found = await ledger.meter(meter)
        return answer(await ledger.quote(found["point"], amount_minor))

    async def _answered(purchase: Purchase) -> Response:
        if purchase.state is State.REFUSED:
            raise typed(purchase.code, purchase.message)
        digits = await seller.digits(purchase) if purchase.state is State.MINTED else ""
        told = answer(form_of(purchase, digits))
        if purchase.token is not None and digits:
            told.background = BackgroundTask(answered, purchase.token.credit)
        return told

    return area


def form_of(purchase: Purchase, digits: str = "") -> PurchaseForm:
    """As partners and operators see it."""
    payment, token = purchase.payment, purchase.token
    more: dict[str, Any] = {}
    if token is not None:
        more = {
            "point": token.point,
            "kwh": f"{token.units // 10}.{token.units % 10}",
            "energy_mwh": token.energy_mwh,
            "credit": token.credit,
            "base": token.base,
            "tid": token.tid,
        }
    return PurchaseForm(
        key=purchase.key,
        state=purchase.state.value,
        meter=payment.meter,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        reference=payment.reference,
        token=digits,
        total_minor=purchase.total_minor,
        rest_minor=purchase.rest_minor,
        lines=msgspec.json.decode(purchase.lines, type=list[LineForm]),
        **more,
    )
