"""Prepaid tokens, shared units, debts, and who runs low."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.queries.pages import (
    DEFAULT_SIZE,
    Page,
    Placed,
    all_of,
    any_of,
    beginning,
    one_of,
    page_of,
    rows_of,
)
from gateway.readmodel.tables.ledger import BLOCKS
from gateway.readmodel.tables.prepaid import CREDITS, DEBTS, PAYABLES, PREPAID, SHARES


class TokenRow(Placed, frozen=True):
    """A credit and its token. Energy, price and lines are known of what a transaction of its own has reserved, and
    the energy of what the meter has taken. The digits are never on the ledger.
    """

    point: str
    credit: int
    kind: str
    status: str
    pan: str
    base: int
    tid: int
    units: int
    energy_mwh: int | None
    total_minor: int | None
    payer: str
    lines: msgspec.Raw
    token_hash: str
    proven: bool
    replaced_by: int
    reserved_ms: int
    minted_ms: int
    delivered_ms: int
    redeemed_ms: int


class ShareRow(Placed, frozen=True):
    share: int
    sender: str
    meter: str
    recipient_pan: str
    recipient: str
    energy_mwh: int
    units: int
    until_ms: int
    status: str
    reason: str
    credit: int
    verified: bool
    requested_ms: int


class DebtRow(Placed, frozen=True):
    owner: str
    debt: int
    reason: str
    amount_minor: int
    paid_minor: int
    written_off_minor: int


class PrepaidRow(Placed, frozen=True):
    """What is known of a prepaid point. `balance_mwh` is what its meter said last, at `balance_ms`; `low` that it is
    little. `low_balance_mwh` is what it had when it last began to be little.
    """

    point: str
    low_balance_mwh: int | None
    low_ms: int
    supply_blocked: bool
    vending_blocked: bool
    sharing_blocked: bool
    key_revision: int
    tariff_index: int
    redeemed_mwh: int
    returned_mwh: int
    balance_mwh: int | None
    balance_ms: int
    low: bool


class PayableRow(Placed, frozen=True):
    day: int
    debtor: str
    creditor: str
    amount_minor: int
    paid: bool


async def tokens(
    connection: AsyncConnection,
    point: str,
    *,
    status: str = "",
    since_ms: int = 0,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[TokenRow]:
    """A point's credits, newest first; reserved since a time."""
    question = rows_of(TokenRow, CREDITS).where(CREDITS.c.point == point, CREDITS.c.reserved_ms >= since_ms)
    if status:
        question = question.where(CREDITS.c.status == status)
    keys: list[ColumnElement[Any]] = [CREDITS.c.credit]
    return await page_of(connection, TokenRow, question, keys, size=size, after=after)


async def token(connection: AsyncConnection, point: str, credit: int) -> TokenRow | None:
    here = CREDITS.c.point == point, CREDITS.c.credit == credit
    return await one_of(connection, TokenRow, rows_of(TokenRow, CREDITS).where(*here))


async def token_by_hash(connection: AsyncConnection, token_hash: str) -> TokenRow | None:
    """By the SHA-256 of its digits."""
    question = rows_of(TokenRow, CREDITS).where(CREDITS.c.token_hash == token_hash)
    return await one_of(connection, TokenRow, question.order_by(CREDITS.c.credit.desc()))


async def shares(
    connection: AsyncConnection, point: str, *, since_ms: int = 0, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[ShareRow]:
    """What a point has given and been given, newest first; told since a time."""
    question = rows_of(ShareRow, SHARES).where(
        any_of(SHARES.c.share, SHARES.c.sender == point, SHARES.c.recipient == point)
    )
    if since_ms:
        told_ms = select(BLOCKS.c.time_ms).where(BLOCKS.c.height == SHARES.c.height).scalar_subquery()
        question = question.where(told_ms >= since_ms)
    keys: list[ColumnElement[Any]] = [SHARES.c.share]
    return await page_of(connection, ShareRow, question, keys, size=size, after=after)


async def share(connection: AsyncConnection, number: int) -> ShareRow | None:
    return await one_of(connection, ShareRow, rows_of(ShareRow, SHARES).where(SHARES.c.share == number))


async def debts(connection: AsyncConnection, owner: str) -> tuple[DebtRow, ...]:
    """Of a point or customer, the oldest first."""
    question = rows_of(DebtRow, DEBTS).where(DEBTS.c.owner == owner)
    return await all_of(connection, DebtRow, question.order_by(DEBTS.c.debt))


async def prepaid(connection: AsyncConnection, point: str) -> PrepaidRow | None:
    return await one_of(connection, PrepaidRow, rows_of(PrepaidRow, PREPAID).where(PREPAID.c.point == point))


async def low(
    connection: AsyncConnection, since_ms: int, *, utility: str = "", size: int = DEFAULT_SIZE
) -> tuple[PrepaidRow, ...]:
    """Who has said since then that credit runs low; the last first."""
    question = rows_of(PrepaidRow, PREPAID).where(PREPAID.c.low_ms >= max(since_ms, 1))
    if utility:
        question = question.where(beginning(PREPAID.c.point, f"{utility}:"))
    return await all_of(connection, PrepaidRow, question.order_by(PREPAID.c.low_ms.desc()).limit(size))


async def payables(connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = "") -> Page[PayableRow]:
    """What utilities owe each other for shared units, day by day."""
    keys: list[ColumnElement[Any]] = [PAYABLES.c.day, PAYABLES.c.debtor, PAYABLES.c.creditor]
    return await page_of(connection, PayableRow, rows_of(PayableRow, PAYABLES), keys, size=size, after=after)
