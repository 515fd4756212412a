"""Bills, with their lines and as documents; payments, runs, disputes.

A bill is its customer's, for ever: who moves in does not see it. The utility's staff, regulators, and whom the customer
lets (bills) see it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.api import answering
from gateway.api.answering import SIZE, After, Filter, Name, Size, gives
from gateway.api.asking import Asking, Look, Viewer, in_time
from gateway.api.names import may_name
from gateway.api.places import place_of
from gateway.documents.bill import Bill, Ground, Invoice, Line, Part, Proof, Standing, require_whole
from gateway.documents.speech import SPEECHES
from gateway.documents.table import bill_csv
from gateway.http.app import PREFIX
from gateway.readmodel.queries import accounts, billing, registry
from gateway.readmodel.queries.billing import CreditNoteRow, InvoiceLines, InvoiceRow, PaymentRow, RunRow, WaitingRow
from gateway.readmodel.queries.pages import Page
from gateway.readmodel.zones import UTC, read_zone
from ledgernode.errors import AddressUnknown

Status = Annotated[Literal["", "open", "overdue", "disputed"], Query(description="'': all")]
Language = Annotated[Literal["en", "de"], Query()]
_CSV: Final = "text/csv; charset=utf-8"
_PDF: Final = "application/pdf"


class BillRow(InvoiceRow, frozen=True, kw_only=True):
    """An invoice, with what is open of it and one word for how it stands."""

    open_minor: int
    status: str


class BillShown(BillRow, frozen=True, kw_only=True):
    """With its lines, those of each part in order, then corrections. Both are null of a bill with more than 200 lines:
    a wallet asks the contract (`billing.invoice`). `issued_transaction` proves it.
    """

    issued_transaction: str
    parts: tuple[Part, ...] | None
    lines: tuple[Line, ...] | None
    credit_notes: tuple[CreditNoteRow, ...]


class Runs(msgspec.Struct, frozen=True):
    items: tuple[RunRow, ...]


class Waiting(msgspec.Struct, frozen=True):
    items: tuple[WaitingRow, ...]


def router(asking: Asking) -> APIRouter:
    routes, here = APIRouter(tags=["billing"]), Depends(asking.viewer)

    @routes.get(f"{PREFIX}/bills", responses=gives(Page[BillRow], "newest first"))
    async def bills(
        *,
        viewer: Viewer = here,
        customer: Filter = "",
        point: Filter = "",
        status: Status = "",
        size: Size = SIZE,
        after: After = "",
    ) -> Response:
        """Bills: one's own, those of the utility's customers, of a customer or a point."""
        asked = {"customer": customer, "point": point, "status": status}
        return await viewer.answer(lambda look: _bills(look, **asked, size=size, after=after))

    @routes.get(f"{PREFIX}/bills/{{bill}}", responses=gives(BillShown, "with its lines"))
    async def one(bill: Name, viewer: Viewer = here) -> Response:
        """A bill: what, how much, until when, and how it was computed."""

        async def found(look: Look) -> BillShown | None:
            row = await _bill(look, bill)
            return None if row is None else await _shown(look, row)

        return await viewer.answer(found)

    @routes.get(
        f"{PREFIX}/bills/{{bill}}/document.pdf",
        response_class=Response,
        responses={200: {"description": "the bill on paper", "content": {_PDF: {}}}},
    )
    async def on_paper(bill: Name, viewer: Viewer = here, language: Language = "en") -> Response:
        """The bill as PDF, with a QR code that leads to its proof."""

        def drawn(made: Bill) -> bytes:
            from gateway.documents.pdf import pdf  # with the library, whose memory most gateways never need

            return pdf(made, SPEECHES[language])

        return await _document(viewer, bill, _PDF, drawn, "pdf")

    @routes.get(
        f"{PREFIX}/bills/{{bill}}/document.csv",
        response_class=Response,
        responses={200: {"description": "its lines, in integers", "content": {"text/csv": {}}}},
    )
    async def as_table(bill: Name, viewer: Viewer = here) -> Response:
        """The bill as CSV, exactly as the ledger counts."""
        return await _document(viewer, bill, _CSV, bill_csv, "csv")

    @routes.get(f"{PREFIX}/payments", responses=gives(Page[PaymentRow], "newest first"))
    async def payments(
        *, viewer: Viewer = here, bill: Filter = "", customer: Filter = "", size: Size = SIZE, after: After = ""
    ) -> Response:
        """What was paid: of a bill, or by and to a customer."""

        async def found(look: Look) -> Page[PaymentRow] | None:
            if bill:
                row = await _bill(look, bill)
                if row is None or customer not in ("", row.customer):
                    return None
                return await billing.payments(look.connection, invoice=bill, size=size, after=after)
            whose = customer or look.scope.customer
            if not look.scope.sees_customer(whose):
                return Page(())
            return await billing.payments(look.connection, customer=whose, size=size, after=after)

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/runs", responses=gives(Runs, "the latest month first"))
    async def runs(viewer: Viewer = here, utility: Filter = "") -> Response:
        """Billing runs of a utility; staff's own where none is named."""

        async def found(look: Look) -> Runs:
            which = utility or look.scope.staff_of
            return Runs(await billing.runs(look.connection, which) if look.scope.sees_organisation(which) else ())

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/runs/waiting", responses=gives(Waiting, "by point"))
    async def waiting(viewer: Viewer = here, utility: Filter = "", size: Size = SIZE) -> Response:
        """Points that cannot be billed yet, and for what they wait."""

        async def found(look: Look) -> Waiting:
            which = utility or look.scope.staff_of
            sees = look.scope.sees_organisation(which)
            return Waiting(await billing.waiting(look.connection, which, size=size) if sees and which else ())

        return await viewer.answer(found)

    @routes.get(f"{PREFIX}/disputes", responses=gives(Page[BillRow], "newest first"))
    async def disputes(viewer: Viewer = here, size: Size = SIZE, after: After = "") -> Response:
        """Bills in dispute: one's own, or those that the utility is to decide."""
        asked = {"customer": "", "point": "", "status": "disputed"}
        return await viewer.answer(lambda look: _bills(look, **asked, size=size, after=after))

    return routes


# ---------------------------------------------------------------- which bills, and what of them


async def _bills(look: Look, *, customer: str, point: str, status: str, size: int, after: str) -> Page[BillRow] | None:
    scope = look.scope
    about: dict[str, Any] = {"point": point}
    if point:
        place = await place_of(look, point, "bills")
        if place is None:
            return None
        if not scope.sees_organisation(place.row.utility):
            about["customer"] = place.row.customer
    elif not customer:
        if not (scope.sees_all or scope.staff_of or scope.customer):
            return Page(())
        about |= {"customer": scope.customer, "utility": scope.staff_of}
    if customer:
        if about.get("customer", customer) != customer or not (point or scope.sees_customer(customer)):
            return Page(())
        about["customer"] = customer
    if status:
        about[f"{status}_only"] = True
    page = await billing.invoices(look.connection, size=size, after=after, **about)
    return Page(tuple(BillRow(**_told(row)) for row in page.items), page.after)


async def _bill(look: Look, which: str) -> InvoiceRow | None:
    row = await billing.invoice(look.connection, which)
    if row is None or not (
        look.scope.sees_customer(row.customer) or look.scope.is_let(row.point, "bills", row.customer)
    ):
        return None
    return row


async def _shown(look: Look, row: InvoiceRow) -> BillShown:
    made = await billing.invoice_lines(look.connection, row.invoice)
    parts, lines = _lines(made) if made is not None else (None, None)
    notes = await billing.credit_notes(look.connection, row.invoice)
    issued = made.transaction if made is not None else ""
    return BillShown(**_told(row), issued_transaction=issued, parts=parts, lines=lines, credit_notes=notes)


def _told(row: InvoiceRow) -> dict[str, Any]:
    known = {name: getattr(row, name) for name in row.__struct_fields__}
    return known | {"open_minor": billing.open_of(row), "status": billing.status_of(row)}


def _lines(made: InvoiceLines) -> tuple[tuple[Part, ...], tuple[Line, ...]]:
    parts = msgspec.json.decode(made.parts, type=tuple[Part, ...])
    return parts, msgspec.json.decode(made.lines, type=tuple[Line, ...])


# ---------------------------------------------------------------- as documents


async def _document(
    viewer: Viewer, which: str, media_type: str, make: Callable[[Bill], bytes], ending: str
) -> Response:
    """The same bytes for the same block; drawn beside the event loop."""
    async with in_time():
        async with viewer.looking() as look:
            headers = viewer.headers(look)
            if answering.has(viewer.request, headers):
                return Response(status_code=304, headers=headers)
            row = await _bill(look, which)
            bill = None if row is None else await _made(look, row, viewer.asking)
        if bill is None:
            raise AddressUnknown("nothing is here that this person may see")
        content = await asyncio.to_thread(make, bill)
    name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in which)
    headers["content-disposition"] = f'inline; filename="{name}.{ending}"'
    return Response(content, 200, headers, media_type)


async def _made(look: Look, row: InvoiceRow, asking: Asking) -> Bill | None:
    made = await billing.invoice_lines(look.connection, row.invoice)
    currency = await accounts.currency(look.connection)
    ground = await registry.ground(look.connection)
    if made is None or currency is None or ground is None:
        return None
    zones = {one.organisation: one.zone for one in await registry.utilities(look.connection)}
    zone = read_zone(bytes(zones[row.utility]).decode()) if row.utility in zones else UTC
    parts, lines = _lines(made)
    invoice = Invoice(
        id=row.invoice,
        utility=row.utility,
        number=row.number,
        kind=row.kind,
        point=row.point,
        customer=row.customer,
        from_ms=row.from_ms,
        until_ms=row.until_ms,
        parts=parts,
        lines=lines,
        total_minor=row.total_minor,
        due_ms=row.due_ms,
        issued_ms=row.issued_ms,
        about=row.about,
    )
    require_whole(invoice)
    standing = Standing(row.due_ms, row.paid_minor, row.credited_minor, billing.status_of(row))
    proof = Proof(asking.sessions.origin, made.transaction, row.issued_height)
    whom = row.customer if may_name(look.scope, row.customer) else ""
    names = asking.names.of_bill(row.utility, whom)
    return Bill(invoice, standing, Ground(currency.code, ground.digits, zone), proof, names)
