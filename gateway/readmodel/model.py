"""The read model as a part of a process: it follows one ledger, and answers questions meanwhile.

model = ReadModel("model.db", ledger)
following = asyncio.create_task(model.run())
async with model.reading() as connection:
    page = await queries.ledger.blocks(connection)
await model.beyond(page.items[0].height)      # for live pages: the next block is in the tables
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.database import Database
from gateway.readmodel.following import Following, Source, Status
from gateway.readmodel.migrating import drop
from ledgernode.client import LedgerClient, Signer
from ledgernode.errors import Unavailable
from ledgernode.identity.records import ValidatorRecord
from ledgernode.identity.tls import TlsFiles, channel_credentials
from ledgernode.wire.answers import Block, LedgerFacts
from ledgernode.wire.types import Epoch, IdentityId
from ledgernode.wire.validators import Validator, ValidatorSet


class LedgerHome(msgspec.Struct, frozen=True):
    """Which ledger is followed, and who asks its nodes."""

    ledger: str
    genesis_bytes: bytes
    nodes: tuple[str, ...]
    tls: TlsFiles
    signer: Signer


class ModelHome(msgspec.Struct, frozen=True):
    """What a read model is started with."""

    database: str
    ledger: LedgerHome


class NodeSource:
    """Blocks from a ledger's nodes; who the validators of an epoch are, by a question that the signer may ask."""

    def __init__(self, client: LedgerClient, signer: Signer) -> None:
        self._client = client
        self._signer = signer

    def blocks(self, from_height: int = 0, *, to_height: int = 0) -> AsyncIterator[Block]:
        return self._client.blocks(from_height, to_height=to_height)

    async def facts(self) -> LedgerFacts:
        return await self._client.facts()

    async def members_in(self, epoch: int) -> ValidatorSet:
        asked = await self._client.evaluate("governance", "members_in", {"epoch": epoch}, signer=self._signer)
        seats = msgspec.json.decode(asked.result, type=tuple[ValidatorRecord, ...])
        members = (
            Validator(IdentityId(bytes.fromhex(seat.identity)), seat.organisation, bytes.fromhex(seat.public_key))
            for seat in seats
        )
        return ValidatorSet.of(Epoch(epoch), members)

    async def close(self) -> None:
        await self._client.close()


class ReadModel:
    """One ledger in one database. Close it at the end."""

    def __init__(self, database: str, home: LedgerHome, *, told: Callable[[int], None] | None = None) -> None:
        self.database = Database(database)
        self._home = home
        self._told = told
        self._turn = 0
        self._news = asyncio.Event()
        self._following = Following(self.database, self._connect, home.genesis_bytes, told=self._written)

    @property
    def status(self) -> Status:
        return self._following.status

    async def run(self, *, to_height: int | None = None) -> None:
        """Follow until cancelled, or up to a height."""
        await self._following.run(to_height=to_height)

    async def rebuild(self) -> int:
        """Drop all, and build it again up to the ledger's present height, which is answered."""
        source = self._connect()
        try:
            height = int((await source.facts()).height)
        finally:
            await source.close()
        async with self.database.writer.begin() as connection:
            await drop(connection)
        await self.run(to_height=height)
        return height

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for questions, which all see one state. Raises Unavailable while the database is away."""
        try:
            async with self.database.reader.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unavailable("the read model's database does not answer") from error

    async def beyond(self, height: int) -> int:
        """Wait until the model is beyond a height; the height it has come to."""
        while self.status.height <= height:
            await self._news.wait()
        return self.status.height

    async def close(self) -> None:
        await self.database.close()

    def _written(self, height: int) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        if self._told is not None:
            self._told(height)

    def _connect(self) -> Source:
        """The nodes in turn: one that lied, or has pruned what is asked for, is not the first to be asked again."""
        nodes, at = self._home.nodes, self._turn % len(self._home.nodes)
        self._turn += 1
        credentials = channel_credentials(self._home.tls)
        return NodeSource(LedgerClient([*nodes[at:], *nodes[:at]], self._home.ledger, credentials), self._home.signer)
