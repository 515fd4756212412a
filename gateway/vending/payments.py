"""Payments, the purchases they become, and their tokens on the way. Pure: what happened in, the next value out.

    received ──▶ reserved ──▶ minted            a credit on the ledger; its digits' hash on the ledger
        │            └──▶ received              the ledger let the reservation go: reserved anew, under another request
        └──▶ refused                            the ledger's own no: nothing was sold, and nothing will be

A payment is known by its partner and the key that the partner gave it, for ever: the same again is answered by the same
purchase, another content under it is refused. The ledger knows each try by a request of its own, which follows from
partner, key and try: asked again after a crash it answers with what it did before.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.vending.minting import Token
from ledgernode.errors import BadMeterNumber, ContractRefused, LedgerError, PaymentInvalid, PaymentKeyReused
from ledgernode.sts.pan import read_pan

LARGEST_MINOR: Final = (1 << 53) - 1
REFERENCE_CHARACTERS: Final = 140
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_BURNED: Final = "burned"


class PaymentForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money that a customer has paid, for the meter with this number (PAN). `reference` is the partner's own."""

    meter: str
    amount_minor: int
    currency: str
    reference: str = ""


class State(StrEnum):
    RECEIVED = "received"
    RESERVED = "reserved"
    MINTED = "minted"
    REFUSED = "refused"


class Purchase(msgspec.Struct, frozen=True):
    """A payment and what became of it. `lines` is what it paid for, as the ledger has it (JSON)."""

    partner: str
    key: str
    payment: PaymentForm
    received_ms: int
    state: State = State.RECEIVED
    attempt: int = 1
    token: Token | None = None
    lines: bytes = b"[]"
    total_minor: int = 0
    rest_minor: int = 0
    code: str = ""
    message: str = ""
    ended_ms: int = 0

    @property
    def over(self) -> bool:
        return self.state in (State.MINTED, State.REFUSED)

    @property
    def request(self) -> str:
        """By which the ledger knows this try."""
        return hashlib.sha256(f"{self.partner}\x00{self.key}\x00{self.attempt}".encode()).hexdigest()


class Under(msgspec.Struct, frozen=True):
    """A token on its way: who was told, and whether the ledger knows."""

    token: Token
    made_ms: int
    minted: bool = False
    answered: bool = False
    """To the partner, who shows it to the customer."""
    told: tuple[str, ...] = ()
    """Gateways that have it for the meter, by their addresses."""
    said: bool = False
    """On the ledger: it was delivered."""


def received(partner: str, key: str, payment: PaymentForm, now_ms: int) -> Purchase:
    """Refuses what can never be a payment."""
    if not _KEY.fullmatch(key):
        raise PaymentInvalid("a payment has a key (Idempotency-Key) of 1 to 128 visible characters")
    if not 0 < payment.amount_minor <= LARGEST_MINOR:
        raise PaymentInvalid("an amount is 1 to 2^53-1 minor units")
    if len(payment.reference) > REFERENCE_CHARACTERS:
        raise PaymentInvalid(f"a reference has at most {REFERENCE_CHARACTERS} characters")
    try:
        read_pan(payment.meter)
    except BadMeterNumber as error:
        raise PaymentInvalid(f"the meter: {error}") from error
    return Purchase(partner, key, payment, now_ms)


def same(known: Purchase, payment: PaymentForm) -> Purchase:
    """This purchase, which is of this payment. Refuses another payment under its key."""
    if known.payment != payment:
        raise PaymentKeyReused("this key was given to another payment")
    return known


def reserved(purchase: Purchase, credit: dict[str, Any], device: str, supply_group: str, now_ms: int) -> Purchase:
    """The ledger's answer to a reservation: a credit, which may have gone further since an earlier try."""
    if was_let_go(credit):
        return let_go(purchase)
    return msgspec.structs.replace(
        purchase,
        state=State.MINTED if credit["status"] == _BURNED else State.RESERVED,
        ended_ms=now_ms if credit["status"] == _BURNED else 0,
        token=token_of(credit, device, supply_group),
        lines=msgspec.json.encode(credit["lines"]),
        total_minor=credit["total_minor"],
        rest_minor=credit["rest_minor"],
    )


def was_let_go(credit: dict[str, Any]) -> bool:
    """Has the ledger given its money back before it was minted? What was minted once is never minted anew."""
    return credit["status"] == _BURNED and not credit["minted_ms"]


def let_go(purchase: Purchase) -> Purchase:
    """Reserved anew, under another request: customers who have paid get their units all the same."""
    return msgspec.structs.replace(purchase, state=State.RECEIVED, attempt=purchase.attempt + 1, token=None)


def minted(purchase: Purchase, now_ms: int) -> Purchase:
    return msgspec.structs.replace(purchase, state=State.MINTED, ended_ms=now_ms)


def refused(purchase: Purchase, code: str, message: str, now_ms: int) -> Purchase:
    return msgspec.structs.replace(purchase, state=State.REFUSED, code=code, message=message, ended_ms=now_ms)


def is_final(error: LedgerError) -> bool:
    """Is it the ledger's own no, which stays? Everything else may be mended, and is tried again."""
    return isinstance(error, ContractRefused)


def code_of(error: LedgerError) -> str:
    own = error.facts.get("code")
    return own if isinstance(own, str) else error.code


def token_of(credit: dict[str, Any], device: str, supply_group: str) -> Token:
    """From the ledger's record of a credit."""
    return Token(
        credit=credit["number"],
        point=credit["point"],
        device=device,
        pan=credit["pan"],
        base=credit["base"],
        tid=credit["tid"],
        rnd=credit["rnd"],
        units=credit["units"],
        key_revision=credit["key_revision"],
        tariff_index=credit["tariff_index"],
        supply_group=supply_group,
        kind=credit["kind"],
    )


# ---------------------------------------------------------------- on the way


def is_delivered(under: Under, gateways: int, now_ms: int, give_up_ms: int) -> bool:
    """Is there nothing more to be done about it?"""
    return under.said and (len(under.told) >= gateways or now_ms >= under.made_ms + give_up_ms)
