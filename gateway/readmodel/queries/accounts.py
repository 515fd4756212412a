"""Currency accounts: sums, postings, escrows."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, Placed, all_of, one_of, page_of, rows_of
from gateway.readmodel.tables.ledger import IDENTITIES
from gateway.readmodel.tables.money import ACCOUNTS, CURRENCY, DISTRIBUTIONS, ESCROWS, ISSUES, POSTINGS


class CurrencyRow(Placed, frozen=True):
    """`supply_minor`: what was minted less what was burned."""

    code: str
    issuer: str
    approval_above_minor: int
    supply_minor: int


class HeldRow(msgspec.Struct, frozen=True):
    """What all accounts hold together: as much as there is, or something is wrong."""

    accounts: int
    available_minor: int
    escrow_minor: int


class AccountRow(Placed, frozen=True):
    """What an account has, as the sum of its postings."""

    account: str
    available_minor: int
    escrow_minor: int
    postings: int


class PostingRow(Placed, frozen=True):
    """What an account gained or lost, available and in escrow."""

    account: str
    other: str
    kind: str
    available_minor: int
    escrow_minor: int
    escrow: str
    purpose: str
    time_ms: int


class DistributionRow(Placed, frozen=True):
    keeper: str
    amount_minor: int
    purpose: str
    time_ms: int


class EscrowRow(Placed, frozen=True):
    owner: str
    escrow: str
    keeper: str
    beneficiary: str
    purpose: str
    amount_minor: int


class IssueRow(Placed, frozen=True):
    issue: str
    kind: str
    account: str
    amount_minor: int
    proposer: str
    status: str
    decided_by: str


async def currency(connection: AsyncConnection) -> CurrencyRow | None:
    return await one_of(connection, CurrencyRow, rows_of(CurrencyRow, CURRENCY))


async def held(connection: AsyncConnection) -> HeldRow:
    sums = [func.coalesce(func.sum(column), 0) for column in (ACCOUNTS.c.available_minor, ACCOUNTS.c.escrow_minor)]
    row = (await connection.execute(select(func.count(), *sums).select_from(ACCOUNTS))).one()
    return HeldRow(row[0], int(row[1]), int(row[2]))


async def account(connection: AsyncConnection, which: str) -> AccountRow | None:
    return await one_of(connection, AccountRow, rows_of(AccountRow, ACCOUNTS).where(ACCOUNTS.c.account == which))


async def accounts(
    connection: AsyncConnection, *, organisation: str = "", size: int = DEFAULT_SIZE, after: str = ""
) -> Page[AccountRow]:
    """Every account that has moved money, by id; or those of an organisation's people and services, not customers."""
    keys: list[ColumnElement[Any]] = [ACCOUNTS.c.account]
    question = rows_of(AccountRow, ACCOUNTS)
    if organisation:
        own = select(IDENTITIES.c.identity).where(IDENTITIES.c.organisation == organisation)
        question = question.where(ACCOUNTS.c.account.in_(own.where(IDENTITIES.c.role != "customer")))
    return await page_of(connection, AccountRow, question, keys, size=size, after=after, newest_first=False)


async def postings(
    connection: AsyncConnection, account: str = "", *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[PostingRow]:
    """An account's postings, or all, newest first."""
    question = rows_of(PostingRow, POSTINGS)
    if account:
        question = question.where(POSTINGS.c.account == account)
    keys: list[ColumnElement[Any]] = [POSTINGS.c.at_height, POSTINGS.c.at_number, POSTINGS.c.line]
    return await page_of(connection, PostingRow, question, keys, size=size, after=after)


async def distributions(
    connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = ""
) -> Page[DistributionRow]:
    """What contracts have paid out of escrows, newest first."""
    keys: list[ColumnElement[Any]] = [DISTRIBUTIONS.c.at_height, DISTRIBUTIONS.c.at_number]
    question = rows_of(DistributionRow, DISTRIBUTIONS)
    return await page_of(connection, DistributionRow, question, keys, size=size, after=after)


async def escrows(connection: AsyncConnection, owner: str) -> tuple[EscrowRow, ...]:
    """Those that an account has opened and that hold something."""
    question = rows_of(EscrowRow, ESCROWS).where(ESCROWS.c.owner == owner, ESCROWS.c.amount_minor > 0)
    return await all_of(connection, EscrowRow, question.order_by(ESCROWS.c.escrow))


async def issues(connection: AsyncConnection, *, status: str = "open") -> tuple[IssueRow, ...]:
    """What is to be minted or burned when a second person agrees."""
    question = rows_of(IssueRow, ISSUES).where(ISSUES.c.status == status)
    return await all_of(connection, IssueRow, question.order_by(ISSUES.c.height.desc(), ISSUES.c.issue))
