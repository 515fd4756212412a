"""The explorer: blocks, transactions, events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import PAGE_LIMIT
from gateway.readmodel.queries.pages import DEFAULT_SIZE, Page, all_of, bookmark, one_of, page_of, rows_of
from gateway.readmodel.tables.ledger import (
    BLOCKS,
    CALLS,
    EVENTS,
    FOLLOWED,
    NOT_OK,
    TRANSACTIONS,
    VALIDATOR_SETS,
)
from ledgernode.wire.block import parse_header
from ledgernode.wire.validators import parse_certificate, parse_set

EVENTS_OF_TRANSACTION = 500


class BlockRow(msgspec.Struct, frozen=True):
    height: int
    hash: str
    time_ms: int
    epoch: int
    transactions: int
    receipts: int
    signatures: int


class Signed(msgspec.Struct, frozen=True):
    """One validator's signature under a block."""

    position: int
    identity: str
    organisation: str
    signature: str


class BlockDetail(msgspec.Struct, frozen=True):
    """A block with what its header says and who has signed it."""

    row: BlockRow
    chain_id: str
    parent_hash: str
    transaction_root: str
    receipts_root: str
    state_commitment: str
    current_set: str
    next_set: str
    validators: int
    certificate: tuple[Signed, ...]


class TransactionRow(msgspec.Struct, frozen=True):
    """A receipt. `origin`: 0 a transaction, 1 a timer's call, 2 a reward; the last two have no creator."""

    height: int
    position: int
    id: str
    origin: int
    time_ms: int
    creator: str
    contract: str
    function: str
    code: str
    events: int
    items: int
    budget_used: int


class EventRow(msgspec.Struct, frozen=True):
    height: int
    number: int
    position: int
    time_ms: int
    contract: str
    name: str
    subject: str
    payload: msgspec.Raw


class CallRow(msgspec.Struct, frozen=True):
    """`arguments` and `result` are null where they are longer than the model keeps: then the node has them."""

    arguments: msgspec.Raw
    arguments_bytes: int
    result: msgspec.Raw
    message: str


class TransactionDetail(msgspec.Struct, frozen=True):
    row: TransactionRow
    call: CallRow
    events: tuple[EventRow, ...]


class Followed(msgspec.Struct, frozen=True):
    """How far the model is."""

    chain_id: str
    height: int
    time_ms: int


async def followed(connection: AsyncConnection) -> Followed | None:
    return await one_of(connection, Followed, rows_of(Followed, FOLLOWED))


async def blocks(connection: AsyncConnection, *, size: int = DEFAULT_SIZE, after: str = "") -> Page[BlockRow]:
    """Newest first."""
    return await page_of(connection, BlockRow, rows_of(BlockRow, BLOCKS), [BLOCKS.c.height], size=size, after=after)


async def block(connection: AsyncConnection, which: int | bytes) -> BlockDetail | None:
    """By height, or by the header's hash. Block 0 has no certificate: the genesis file vouches for it."""
    here = BLOCKS.c.height == which if isinstance(which, int) else BLOCKS.c.hash == which
    found = await one_of(connection, BlockRow, rows_of(BlockRow, BLOCKS).where(here))
    if found is None:
        return None
    stored = select(BLOCKS.c.header, BLOCKS.c.certificate).where(BLOCKS.c.height == found.height)
    raw, certificate = (await connection.execute(stored)).one()
    header = parse_header(raw)
    set_of_epoch = select(VALIDATOR_SETS.c.encoded).where(VALIDATOR_SETS.c.epoch == found.epoch)
    encoded = await connection.scalar(set_of_epoch)
    assert encoded is not None, "every epoch's set is kept"
    members = parse_set(encoded).members
    signed = tuple(
        Signed(position, members[position].identity.hex(), members[position].organisation, signature.hex())
        for position, signature in (parse_certificate(certificate).signatures if certificate else ())
        if position < len(members)
    )
    return BlockDetail(
        row=found,
        chain_id=header.chain_id.hex(),
        parent_hash=header.parent_hash.hex(),
        transaction_root=header.transaction_root.hex(),
        receipts_root=header.receipts_root.hex(),
        state_commitment=header.state_commitment.hex(),
        current_set=header.current_set.hex(),
        next_set=header.next_set.hex(),
        validators=len(members),
        certificate=signed,
    )


async def transactions(
    connection: AsyncConnection,
    *,
    contract: str = "",
    function: str = "",
    creator: str = "",
    height: int | None = None,
    refused: bool = False,
    size: int = DEFAULT_SIZE,
    after: str = "",
) -> Page[TransactionRow]:
    """Newest first: of a contract, or one function of it; of a creator (hex); of a block; only those refused."""
    question = rows_of(TransactionRow, TRANSACTIONS)
    if contract:
        question = question.where(TRANSACTIONS.c.contract == contract)
        if function:
            question = question.where(TRANSACTIONS.c.function == function)
    if creator:
        question = question.where(TRANSACTIONS.c.creator == _bytes(creator))
    if height is not None:
        question = question.where(TRANSACTIONS.c.height == height)
    if refused:
        question = question.where(NOT_OK)
    return await _transactions(connection, question, size, after)


async def _transactions(
    connection: AsyncConnection, question: Select[Any], size: int, after: str
) -> Page[TransactionRow]:
    keys = [TRANSACTIONS.c.height, TRANSACTIONS.c.position]
    return await page_of(connection, TransactionRow, question, keys, size=size, after=after)


async def transaction(connection: AsyncConnection, transaction_id: bytes) -> TransactionDetail | None:
    """The first of this id: a later one of the same id took no effect."""
    first = TRANSACTIONS.c.height, TRANSACTIONS.c.position
    question = rows_of(TransactionRow, TRANSACTIONS).where(TRANSACTIONS.c.id == transaction_id).order_by(*first)
    found = await one_of(connection, TransactionRow, question)
    return None if found is None else await _detail(connection, found)


async def transaction_at(connection: AsyncConnection, height: int, position: int) -> TransactionDetail | None:
    here = and_(TRANSACTIONS.c.height == height, TRANSACTIONS.c.position == position)
    found = await one_of(connection, TransactionRow, rows_of(TransactionRow, TRANSACTIONS).where(here))
    return None if found is None else await _detail(connection, found)


async def _detail(connection: AsyncConnection, row: TransactionRow) -> TransactionDetail:
    here = and_(CALLS.c.height == row.height, CALLS.c.position == row.position)
    call = await one_of(connection, CallRow, rows_of(CallRow, CALLS).where(here))
    assert call is not None, "a call stands beside every transaction"
    own = and_(EVENTS.c.height == row.height, EVENTS.c.position == row.position)
    question = rows_of(EventRow, EVENTS).where(own).order_by(EVENTS.c.number).limit(EVENTS_OF_TRANSACTION)
    return TransactionDetail(row, call, await all_of(connection, EventRow, question))


async def events(
    connection: AsyncConnection,
    *,
    contract: str = "",
    name: str = "",
    subject: str = "",
    size: int = DEFAULT_SIZE,
    after: str = "",
    newest_first: bool = True,
) -> Page[EventRow]:
    """Of a contract and name, or about a subject; with `newest_first` false from the oldest on, as a page resumes.

    Of a contract or a name alone they are those of each kind there is of it, put together: the index is by kind, and
    who looks through all events for a rare one looks through millions.
    """
    question = rows_of(EventRow, EVENTS)
    if subject:
        question = question.where(EVENTS.c.subject == subject)
        question = question.where(EVENTS.c.contract == contract) if contract else question
        question = question.where(EVENTS.c.name == name) if name else question
        return await _events(connection, question, size, after, newest_first)
    if not contract and not name:
        return await _events(connection, question, size, after, newest_first)
    size = min(max(size, 1), PAGE_LIMIT)
    items: list[EventRow] = []
    more = False
    for of, called in await _kinds(connection, contract, name):
        kind = question.where(EVENTS.c.contract == of, EVENTS.c.name == called)
        page = await _events(connection, kind, size, after, newest_first)
        items += page.items
        more = more or bool(page.after)
    items.sort(key=lambda row: (row.height, row.number), reverse=newest_first)
    more, items = more or len(items) > size, items[:size]
    return Page(tuple(items), bookmark([items[-1].height, items[-1].number]) if more else "")


async def _events(
    connection: AsyncConnection, question: Select[Any], size: int, after: str, newest_first: bool
) -> Page[EventRow]:
    keys = [EVENTS.c.height, EVENTS.c.number]
    return await page_of(connection, EventRow, question, keys, size=size, after=after, newest_first=newest_first)


async def _kinds(connection: AsyncConnection, contract: str, name: str) -> list[tuple[str, str]]:
    """Contracts and names of events that there are, as far as they fit; from one to the next by the index."""
    if contract and name:
        return [(contract, name)]
    contracts = [contract] if contract else [of async for of in _steps(connection, EVENTS.c.contract)]
    if name:
        return [(of, name) for of in contracts]
    here = EVENTS.c.contract == contract
    return [(contract, called) async for called in _steps(connection, EVENTS.c.name, here)]


async def _steps(
    connection: AsyncConnection, column: ColumnElement[str], *within: ColumnElement[bool]
) -> AsyncIterator[str]:
    """The different values of a column, each the least beyond the one before: a seek each, however many rows."""
    last: str | None = await connection.scalar(select(func.min(column)).where(*within))
    while last is not None:
        yield last
        last = await connection.scalar(select(func.min(column)).where(*within, column > last))


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b"\xff"
