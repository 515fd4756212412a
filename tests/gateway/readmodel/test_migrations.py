"""The schema's versions: from the first to the newest, on both databases, with rows in them."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text

from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from gateway.readmodel.migrating import drop, migrate, newest, script, version
from gateway.readmodel.tables import METADATA
from gateway.readmodel.tables.ledger import BLOCKS
from ledgernode.errors import BadRequest
from ledgernode.wire.answers import Block
from tests.audit.whole_town import WholeTown
from tests.gateway.readmodel.sources import Played

pytestmark = pytest.mark.slow
FIRST = "0001"


def differences(sync: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), METADATA)


async def test_first_schema_becomes_the_newest(database: Database, town: WholeTown, blocks: list[Block]) -> None:
    """A database of the first version is brought forward where it stands, and is followed on."""
    async with database.writer.begin() as connection:
        assert await version(connection) is None
        assert await migrate(connection, FIRST)
        assert await version(connection) == FIRST
        row = {"height": 10**9, "hash": b"h", "header": b"", "certificate": b""}
        await connection.execute(BLOCKS.insert().values(**row))
    await Following(database, Played(blocks), town.ledger.genesis_bytes).run(to_height=5)
    async with database.writer.begin() as connection:
        assert await version(connection) == newest()
        assert not await migrate(connection)
        heights = select(BLOCKS.c.height).order_by(BLOCKS.c.height)
        assert list(await connection.scalars(heights)) == [0, 1, 2, 3, 4, 5, 10**9]


async def test_versions_lead_to_the_tables_of_the_code(database: Database) -> None:
    async with database.writer.begin() as connection:
        await migrate(connection)
        assert await connection.run_sync(differences) == []


async def test_drop_leaves_nothing(database: Database) -> None:
    async with database.writer.begin() as connection:
        await migrate(connection)
        await drop(connection)
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []


async def test_newer_schema_is_refused(database: Database) -> None:
    """Whoever goes back to older software is told to rebuild, and nothing is touched."""
    async with database.writer.begin() as connection:
        await migrate(connection)
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with database.writer.begin() as connection:
        with pytest.raises(BadRequest, match="rebuild"):
            await migrate(connection)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_schema_can_be_read_without_a_database(dialect: str) -> None:
    written = script(dialect)
    assert all(f"CREATE TABLE {name} " in written for name in METADATA.tables)
