"""A bill: an invoice and how it stands, as the contract `billing` answers (`invoice`), and what names it on paper.

The ledger knows pseudonyms alone. Names and addresses are the utility's own and come beside the record.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from gateway.readmodel.zones import UTC, Zone
from ledgernode.errors import BadRequest
from ledgernode.wire.unreadable import UNREADABLE

PERIOD: Final = "period"
LATE_FEE: Final = "late_fee"


class Line(msgspec.Struct, frozen=True):
    """A quantity, a price and an amount; `remainder_pico` is what rounding left over."""

    kind: str
    name: str
    quantity: int
    unit: str
    price_micro: int
    amount_minor: int
    remainder_pico: int = 0


class Part(msgspec.Struct, frozen=True):
    """A stay, and how many of the lines, in order, are its."""

    from_ms: int
    until_ms: int
    tariff: str
    version_ms: int
    prepaid: bool
    lines: int


class Invoice(msgspec.Struct, frozen=True):
    """As it was issued: this never changes."""

    id: str
    utility: str
    number: int
    kind: str
    point: str
    customer: str
    from_ms: int
    until_ms: int
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    total_minor: int
    due_ms: int
    issued_ms: int
    about: str = ""
    base_minor: int = 0


class Standing(msgspec.Struct, frozen=True):
    """What became of it since. `due_ms` is later than the invoice's after a dispute."""

    due_ms: int
    paid_minor: int = 0
    credited_minor: int = 0
    status: str = "open"


class Proof(msgspec.Struct, frozen=True):
    """Where it is proven: the transaction that issued it, and the console that shows the proof."""

    origin: str
    transaction: str
    height: int


class Names(msgspec.Struct, frozen=True):
    """Who and where, in words; without them the ledger's own names stand there."""

    utility: str = ""
    utility_lines: tuple[str, ...] = ()
    customer: str = ""
    customer_lines: tuple[str, ...] = ()
    place: str = ""


class Ground(msgspec.Struct, frozen=True):
    """The currency, and the utility's local time."""

    currency: str
    digits: int
    zone: Zone = UTC


class Bill(msgspec.Struct, frozen=True):
    invoice: Invoice
    standing: Standing
    ground: Ground
    proof: Proof
    names: Names = Names()

    @property
    def open_minor(self) -> int:
        """What is still to be paid."""
        return max(self.invoice.total_minor, 0) - self.standing.paid_minor - self.standing.credited_minor

    @property
    def address(self) -> str:
        """Where the bill is proven, for people and their telephones."""
        return f"{self.proof.origin}/verify/{quote(self.invoice.id, safe=':')}"


class _View(msgspec.Struct, frozen=True):
    invoice: Invoice
    standing: Standing


def read_view(answer: bytes) -> tuple[Invoice, Standing]:
    """What `billing.invoice` answers. Refuses (BadRequest) what is no bill, and lines that are not its total."""
    try:
        view = msgspec.json.decode(answer, type=_View)
    except UNREADABLE as error:
        raise BadRequest(f"this is no invoice: {error}") from error
    require_whole(view.invoice)
    return view.invoice, view.standing


def require_whole(invoice: Invoice) -> None:
    """Refuses lines that do not add up to the total, and stays of more lines than there are."""
    if sum(line.amount_minor for line in invoice.lines) != invoice.total_minor:
        raise BadRequest(f"the lines of {invoice.id} are not its total")
    if sum(part.lines for part in invoice.parts) > len(invoice.lines):
        raise BadRequest(f"the stays of {invoice.id} have more lines than it has")
