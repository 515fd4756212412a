"""Following the ledger: blocks in, rows out, a batch and the height it comes to in one SQL transaction.

A process that is killed goes on from the height that stands in the database. A database or a ledger that is away is
tried again, with growing pauses, for as long as it takes; `Following.status` says which, and how far behind the model
is. A block that does not hold is never written: the next node is asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.bounds import (
    BATCH_BLOCKS,
    BATCH_BYTES,
    BATCH_RECEIPTS,
    BLOCKS_AHEAD,
    HEAD_EVERY_S,
    PAUSE_LIMIT_S,
    PAUSE_START_S,
)
from gateway.readmodel.certified import Certified, Head
from gateway.readmodel.changes import Changes
from gateway.readmodel.database import Database
from gateway.readmodel.decoded import decoded
from gateway.readmodel.migrating import migrate
from gateway.readmodel.projector import found, project
from gateway.readmodel.tables.ledger import FOLLOWED, UNREAD, VALIDATOR_SETS
from gateway.readmodel.writing import Writer
from ledgernode.errors import BadProof, BadRequest, DatabaseDamaged, LedgerError
from ledgernode.wire.answers import Block, LedgerFacts
from ledgernode.wire.genesis import chain_id
from ledgernode.wire.validators import ValidatorSet, encode_set, parse_set


class Source(Protocol):
    """Where blocks come from: a connection to the ledger (`LedgerClient` is one, with `members_in` beside it)."""

    def blocks(self, from_height: int = 0, *, to_height: int = 0) -> AsyncIterator[Block]: ...

    async def facts(self) -> LedgerFacts: ...

    async def members_in(self, epoch: int) -> ValidatorSet: ...

    async def close(self) -> None: ...


class State(StrEnum):
    STARTING = "starting"
    CATCHING_UP = "catching up"
    FOLLOWING = "following"
    LEDGER_AWAY = "ledger away"
    DATABASE_AWAY = "database away"
    REFUSED = "refused"


class Status(msgspec.Struct, frozen=True):
    """How the model stands. `height` is -1 before block 0; `reason` is why it does not go on, '' while it does."""

    state: State
    height: int
    time_ms: int
    ledger_height: int
    ledger_time_ms: int
    unread: int
    reason: str = ""

    @property
    def behind(self) -> int:
        """How many blocks the ledger is known to be ahead."""
        return max(self.ledger_height - self.height, 0)


class _Ended(Exception):
    """All blocks that were asked for are written."""


class _Moved(Exception):
    """Somebody else has written to this database."""


Told = Callable[[int], None]
_NOTHING: Final = Head(-1, b"", b"", 0)


class Following:
    """One ledger into one database. `told` is called with each height that the tables have come to."""

    def __init__(
        self,
        database: Database,
        connect: Callable[[], Source],
        genesis_bytes: bytes,
        *,
        told: Told | None = None,
        batch_blocks: int = BATCH_BLOCKS,
    ) -> None:
        self._database = database
        self._connect = connect
        self._genesis_bytes = genesis_bytes
        self._chain = chain_id(genesis_bytes)
        self._told = told
        self._batch_blocks = batch_blocks
        self._writer = Writer()
        self._certified: Certified | None = None
        self._log: Any = structlog.get_logger("gateway.readmodel")
        self.status = Status(State.STARTING, -1, 0, -1, 0, 0)

    async def run(self, *, to_height: int | None = None) -> None:
        """Until it is cancelled, or all up to a height is written. Refuses (BadRequest) another ledger's database."""
        pause_s = PAUSE_START_S
        while True:
            before = self.status.height
            try:
                await self._open()
                await self._follow(to_height)
            except _Ended:
                return
            except _Moved:
                self._certified = None
                continue
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                self._stands(State.DATABASE_AWAY, _first_line(error))
            except (BadProof, DatabaseDamaged) as error:
                self._stands(State.REFUSED, str(error))
            except BadRequest:
                raise
            except LedgerError as error:
                self._stands(State.LEDGER_AWAY, f"{error.code}: {error}")
            self._writer.forget()
            self._certified = None
            pause_s = PAUSE_START_S if self.status.height > before else min(2 * pause_s, PAUSE_LIMIT_S)
            await asyncio.sleep(pause_s)

    def _stands(self, state: State, reason: str = "") -> None:
        if reason:
            self._log.warning(state.value, reason=reason, height=self.status.height)
        self.status = msgspec.structs.replace(self.status, state=state, reason=reason)

    # ------------------------------------------------------------ where the model stands

    async def _open(self) -> None:
        """The schema, and the head that stands in the database."""
        if self._certified is not None:
            return
        async with self._database.writer.begin() as connection:
            await migrate(connection)
            row = (await connection.execute(select(FOLLOWED))).mappings().first()
            unread = await connection.scalar(select(func.count()).select_from(UNREAD)) or 0
            if row is None:
                self._certified, head = Certified.founded(self._genesis_bytes), _NOTHING
            else:
                if row["chain_id"] != self._chain:
                    raise BadRequest(f"{self._database.named} holds another ledger's read model")
                newest = select(VALIDATOR_SETS.c.encoded).order_by(VALIDATOR_SETS.c.epoch.desc()).limit(1)
                encoded = await connection.scalar(newest)
                assert encoded is not None, "the set stands beside the height"
                head = Head(row["height"], row["header_hash"], row["next_set"], row["time_ms"])
                self._certified = Certified(self._chain, head, parse_set(encoded))
        self.status = msgspec.structs.replace(self.status, height=head.height, time_ms=head.time_ms, unread=unread)
        if self._told is not None and head.height >= 0:
            self._told(head.height)

    # ------------------------------------------------------------ blocks in

    async def _follow(self, to_height: int | None) -> None:
        source = self._connect()
        try:
            await self._seen(source)
            if to_height is not None and self.status.height >= to_height:
                raise _Ended
            waiting: asyncio.Queue[Block | BaseException] = asyncio.Queue(BLOCKS_AHEAD)
            tasks = [
                asyncio.create_task(self._fetch(source, waiting, to_height)),
                asyncio.create_task(self._look(source)),
            ]
            try:
                while to_height is None or self.status.height < to_height:
                    await self._batch(source, waiting)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await source.close()
        raise _Ended

    async def _fetch(self, source: Source, waiting: asyncio.Queue[Any], to_height: int | None) -> None:
        try:
            async for block in source.blocks(self.status.height + 1, to_height=to_height or 0):
                await waiting.put(block)
        except Exception as error:  # noqa: BLE001  # whatever it is, the one that waits for blocks is told
            await waiting.put(error)

    async def _look(self, source: Source) -> None:
        """How far the ledger is, and that it does not answer: the stream of blocks waits for it without a word."""
        while True:
            await asyncio.sleep(HEAD_EVERY_S)
            try:
                await self._seen(source)
            except LedgerError as error:
                self._stands(State.LEDGER_AWAY, f"{error.code}: {error}")

    async def _seen(self, source: Source) -> None:
        facts = await source.facts()
        height = max(int(facts.height), self.status.ledger_height)
        time_ms = max(int(facts.time_ms), self.status.ledger_time_ms)
        self.status = msgspec.structs.replace(self.status, ledger_height=height, ledger_time_ms=time_ms)
        self._goes_on()

    def _goes_on(self) -> None:
        state = State.CATCHING_UP if self.status.behind else State.FOLLOWING
        self.status = msgspec.structs.replace(self.status, state=state, reason="")

    async def _batch(self, source: Source, waiting: asyncio.Queue[Any]) -> None:
        """Write what has come, at least one block; then it is remembered."""
        certified = self._certified
        assert certified is not None
        before, changes = certified.head, Changes()
        sets: list[tuple[int, bytes]] = []
        blocks = receipts = size = 0
        while blocks < self._batch_blocks and receipts < BATCH_RECEIPTS and size < BATCH_BYTES:
            if blocks and waiting.empty():
                break
            came = await waiting.get()
            if isinstance(came, BaseException):
                if not blocks:
                    raise came
                await waiting.put(came)
                break
            block = decoded(came)
            if block.height == 0:
                sets.append((0, encode_set(certified.validators)))
                found(changes, self._genesis_bytes)
            elif certified.lacks_set(block):
                certified.hand_over(await source.members_in(int(block.header.epoch)))
                sets.append((block.height, encode_set(certified.validators)))
            certified.check(block)
            project(changes, block)
            blocks, receipts = blocks + 1, receipts + len(block.calls)
            size += sum(map(len, came.envelopes)) + sum(map(len, came.receipts))
            await asyncio.sleep(0)
        assert certified.head is not None
        await self._write(changes, before or _NOTHING, certified.head, sets)

    # ------------------------------------------------------------ rows out

    async def _write(self, changes: Changes, before: Head, head: Head, sets: list[tuple[int, bytes]]) -> None:
        async with self._database.writer.begin() as connection:
            stored = await connection.scalar(select(FOLLOWED.c.height).with_for_update())
            if (-1 if stored is None else stored) != before.height:
                self._writer.forget()
                raise _Moved
            await self._writer.write(connection, changes)
            await _remember(connection, self._chain, head, sets, fresh=stored is None)
        unread = self.status.unread + len(changes.appended.get(UNREAD, ()))
        self.status = msgspec.structs.replace(
            self.status,
            height=head.height,
            time_ms=head.time_ms,
            ledger_height=max(head.height, self.status.ledger_height),
            ledger_time_ms=max(head.time_ms, self.status.ledger_time_ms),
            unread=unread,
        )
        self._goes_on()
        if self._told is not None:
            self._told(head.height)


async def _remember(
    connection: AsyncConnection, chain: bytes, head: Head, sets: list[tuple[int, bytes]], *, fresh: bool
) -> None:
    values = {"height": head.height, "header_hash": head.hash, "next_set": head.next_set, "time_ms": head.time_ms}
    if fresh:
        await connection.execute(FOLLOWED.insert().values(one=1, chain_id=chain, **values))
    else:
        await connection.execute(FOLLOWED.update().values(**values))
    for from_height, encoded in sets:
        epoch = int(parse_set(encoded).epoch)
        await connection.execute(VALIDATOR_SETS.insert().values(epoch=epoch, from_height=from_height, encoded=encoded))


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error)
    return text.splitlines()[0][:300] if text else type(error).__name__
