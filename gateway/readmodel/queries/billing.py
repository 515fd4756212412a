"""Tariffs, invoices and their payments, billing runs."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, one_of, page_of, rows_of
from gateway.readmodel.tables.billing import (
    CREDIT_NOTES,
    INVOICE_LINES,
    INVOICES,
    OVERDUE,
    PAYMENTS,
    PAYOUTS,
    RUNS,
    TARIFFS,
    WAITING,
)
from gateway.readmodel.tables.ledger import PROPOSALS


class TariffRow(Placed, frozen=True):
    """A version of a tariff, from when it holds. `arguments` are those of its proposal: the tariff itself."""

    tariff: str
    from_ms: int
    utility: str
    proposal: str
    arguments: msgspec.Raw


class InvoiceRow(Placed, frozen=True):
    """An invoice and how it stands. `settled_ms` is when nothing was open any more, 0 until then; `issued_height` and
    `issued_position` name the transaction to prove. `about`: the invoice that a late fee is for; `handed_over`: vends
    of the prepaid meter pay it.
    """

    invoice: str
    utility: str
    number: int
    kind: str
    point: str
    customer: str
    total_minor: int
    received_minor: int
    paid_minor: int
    credited_minor: int
    due_ms: int
    issued_ms: int
    stage: str
    overdue: bool
    dispute: str
    dispute_text: str
    settled_ms: int
    issued_height: int
    issued_position: int
    from_ms: int
    until_ms: int
    about: str
    handed_over: bool


class InvoiceLines(Placed, frozen=True):
    """What an invoice is made of: `parts` are stays with how many of the lines are their own."""

    invoice: str
    parts: msgspec.Raw
    lines: msgspec.Raw


class PaymentRow(Placed, frozen=True):
    """A payment of an invoice; or a withdrawal of credit, below zero."""

    kind: str
    invoice: str
    customer: str
    payer: str
    amount_minor: int
    time_ms: int


class CreditNoteRow(Placed, frozen=True):
    credit: str
    invoice: str
    customer: str
    total_minor: int
    reason: str
    issued_ms: int


class RunRow(Placed, frozen=True):
    utility: str
    year: int
    month: int
    status: str
    progress: msgspec.Raw
    started_ms: int
    done_ms: int


class WaitingRow(Placed, frozen=True):
    point: str
    reason: str
    since_ms: int


class Owed(msgspec.Struct, frozen=True):
    """A customer's invoices in sum."""

    invoices: int
    open: int
    open_minor: int
    next_due_ms: int


def _tariffs() -> Any:
    own = and_(PROPOSALS.c.contract == "tariff", PROPOSALS.c.proposal == TARIFFS.c.proposal)
    return rows_of(TariffRow, TARIFFS, arguments=select(PROPOSALS.c.arguments).where(own).scalar_subquery())


async def tariffs(connection: AsyncConnection, *, utility: str = "") -> tuple[TariffRow, ...]:
    """Every version, by tariff, the latest first."""
    question = _tariffs()
    if utility:
        question = question.where(TARIFFS.c.utility == utility)
    return await all_of(connection, TariffRow, question.order_by(TARIFFS.c.tariff, TARIFFS.c.from_ms.desc()))


async def tariff(connection: AsyncConnection, which: str, at_ms: int) -> TariffRow | None:
    """The version that holds at a time."""
    question = _tariffs().where(TARIFFS.c.tariff == which, TARIFFS.c.from_ms <= at_ms)
    return await one_of(connection, TariffRow, question.order_by(TARIFFS.c.from_ms.desc()))


async def invoices(
    connection: AsyncConnection,
    *,
    customer: str = "",
    utility: str = "",
    point: str = "",
    open_only: bool = False,
    overdue_only: bool = False,
    disputed_only: bool = False,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[InvoiceRow]:
    """Newest first."""
    question = rows_of(InvoiceRow, INVOICES)
    for column, value in ((INVOICES.c.customer, customer), (INVOICES.c.utility, utility), (INVOICES.c.point, point)):
        if value:
            question = question.where(column == value)
    if open_only:
        question = question.where(INVOICES.c.settled_ms == 0, INVOICES.c.total_minor > 0)
    if overdue_only:
        question = question.where(OVERDUE)
    if disputed_only:
        question = question.where(INVOICES.c.dispute == "open")
    keys: list[ColumnElement[Any]] = [INVOICES.c.issued_ms, INVOICES.c.invoice]
    return await page_of(connection, InvoiceRow, question, keys, size=size, after=after)


async def invoice(connection: AsyncConnection, which: str) -> InvoiceRow | None:
    return await one_of(connection, InvoiceRow, rows_of(InvoiceRow, INVOICES).where(INVOICES.c.invoice == which))


def open_of(row: InvoiceRow) -> int:
    """What is still to be paid."""
    return max(row.total_minor, 0) - row.paid_minor - row.credited_minor


def status_of(row: InvoiceRow) -> str:
    """One word for how it stands, as the contract `billing` has it."""
    if row.handed_over:
        return "handed_over"
    if row.dispute == "open":
        return "disputed"
    if not open_of(row):
        return "credited" if row.credited_minor and not row.paid_minor else "paid"
    if row.overdue:
        return "overdue"
    return "partly" if row.paid_minor or row.credited_minor else "open"


async def invoice_lines(connection: AsyncConnection, which: str) -> InvoiceLines | None:
    """Nothing of an invoice with more lines than its event holds: those are asked of the ledger (`billing.invoice`)."""
    question = rows_of(InvoiceLines, INVOICE_LINES).where(INVOICE_LINES.c.invoice == which)
    return await one_of(connection, InvoiceLines, question)


async def owed(connection: AsyncConnection, customer: str) -> Owed:
    """How many invoices a customer has, how many are open, and what is due next."""
    is_open = and_(INVOICES.c.settled_ms == 0, INVOICES.c.total_minor > 0)
    left = INVOICES.c.total_minor - INVOICES.c.paid_minor - INVOICES.c.credited_minor
    counts = func.count(), func.count().filter(is_open), func.coalesce(func.sum(left).filter(is_open), 0)
    due = func.coalesce(func.min(INVOICES.c.due_ms).filter(is_open), 0)
    row = (await connection.execute(select(*counts, due).where(INVOICES.c.customer == customer))).one()
    return Owed(row[0], row[1], int(row[2]), row[3])


async def due(
    connection: AsyncConnection, utility: str, until_ms: int, *, customer: str = "", size: int = DEFAULT_SIZE
) -> tuple[InvoiceRow, ...]:
    """What is open and due until a time, the earliest first: whom to remind; or one customer's."""
    own = INVOICES.c.customer == customer if customer else INVOICES.c.utility == utility
    here = own, INVOICES.c.settled_ms == 0, INVOICES.c.due_ms <= until_ms, INVOICES.c.dispute != "open"
    question = rows_of(InvoiceRow, INVOICES).where(*here, INVOICES.c.total_minor > 0)
    return await all_of(connection, InvoiceRow, question.order_by(INVOICES.c.due_ms, INVOICES.c.invoice).limit(size))


async def payments(
    connection: AsyncConnection, *, customer: str = "", invoice: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[PaymentRow]:
    """Newest first."""
    question = rows_of(PaymentRow, PAYMENTS)
    if customer:
        question = question.where(PAYMENTS.c.customer == customer)
    if invoice:
        question = question.where(PAYMENTS.c.invoice == invoice)
    keys: list[ColumnElement[Any]] = [PAYMENTS.c.at_height, PAYMENTS.c.at_number]
    return await page_of(connection, PaymentRow, question, keys, size=size, after=after)


async def credit_notes(connection: AsyncConnection, invoice: str) -> tuple[CreditNoteRow, ...]:
    question = rows_of(CreditNoteRow, CREDIT_NOTES).where(CREDIT_NOTES.c.invoice == invoice)
    return await all_of(connection, CreditNoteRow, question.order_by(CREDIT_NOTES.c.credit))


async def runs(connection: AsyncConnection, utility: str) -> tuple[RunRow, ...]:
    """Billing runs, the latest month first."""
    question = rows_of(RunRow, RUNS).where(RUNS.c.utility == utility)
    return await all_of(connection, RunRow, question.order_by(RUNS.c.year.desc(), RUNS.c.month.desc()))


async def waiting(connection: AsyncConnection, utility: str, *, size: int = DEFAULT_SIZE) -> tuple[WaitingRow, ...]:
    """Points that cannot be billed yet, and for what they wait."""
    here = WAITING.c.point >= f"{utility}:", WAITING.c.point < f"{utility};", WAITING.c.reason != ""
    return await all_of(
        connection, WaitingRow, rows_of(WaitingRow, WAITING).where(*here).order_by(WAITING.c.point).limit(size)
    )


async def payout(connection: AsyncConnection, utility: str) -> int:
    """What is set aside to be paid out."""
    return await connection.scalar(select(PAYOUTS.c.left_minor).where(PAYOUTS.c.utility == utility)) or 0
