"""Blocks into tables: whatever the way, the tables come out the same."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from gateway.readmodel.tables import METADATA
from gateway.readmodel.tables.ledger import FOLLOWED, TRANSACTIONS, UNREAD
from ledgernode.wire.answers import Block
from tests.audit.whole_town import WholeTown
from tests.gateway.readmodel.sources import Played


async def content(database: Database) -> dict[str, list[Any]]:
    """Every table, row by row."""
    async with database.reader.connect() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }


async def test_whole_town_is_read(database: Database, town: WholeTown, blocks: list[Block]) -> None:
    """Every receipt stands in the model, and no event is of a form it does not know."""
    following = Following(database, Played(blocks), town.ledger.genesis_bytes)
    await following.run(to_height=len(blocks) - 1)
    async with database.reader.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(TRANSACTIONS)) == sum(
            len(block.receipts) for block in blocks
        )
        assert (await connection.execute(select(UNREAD))).all() == []
        assert await connection.scalar(select(FOLLOWED.c.height)) == town.ledger.height
    assert following.status.behind == 0
