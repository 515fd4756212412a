"""Bringing a database to this version's schema, inside of one transaction; dropping it all."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.readmodel.database import POSTGRESQL
from gateway.readmodel.tables import METADATA
from ledgernode.errors import BadRequest

_SCRIPTS: Final = Path(__file__).parent / "migrations"
HEAD: Final = "head"
_LOCK: Final = 0x6C656467
"""The number by which writers of the schema wait for each other in PostgreSQL."""
_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


def newest() -> str:
    """The version this software writes."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None, "there is a first version"
    return found


async def version(connection: AsyncConnection) -> str | None:
    """The version that stands in a database; None where there is no schema."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def migrate(connection: AsyncConnection, to: str = HEAD) -> bool:
    """Bring the schema to a version; whether anything was to be done. Refuses one that is newer than this software.

    One at a time: alembic keeps what it does in globals, and two processes may begin with one empty database.
    """
    turn = _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn:
        if connection.dialect.name == POSTGRESQL:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        return await _migrated(connection, to)


async def _migrated(connection: AsyncConnection, to: str) -> bool:
    found = await version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise BadRequest(f"the read model has schema {found}, this software knows it up to {newest()}: rebuild it")
    if found == (newest() if to == HEAD else to):
        return False
    await connection.run_sync(_upgrade, to)
    return True


async def drop(connection: AsyncConnection) -> None:
    """Remove every table of the model, and its version."""

    def remove(sync: Connection) -> None:
        METADATA.drop_all(sync)
        old = MetaData()
        old.reflect(sync, only=lambda name, _: name == "alembic_version")
        old.drop_all(sync)

    await connection.run_sync(remove)


def script(dialect: str) -> str:
    """The whole schema as SQL, for who wants to read it, or to run it by hand."""
    config = _config()
    config.output_buffer = io.StringIO()
    config.attributes["dialect"] = dialect
    command.upgrade(config, HEAD, sql=True)
    return str(config.output_buffer.getvalue())


def _upgrade(sync: Connection, to: str) -> None:
    config = _config()
    config.attributes["connection"] = sync
    command.upgrade(config, to)


def _config() -> Config:
    config = Config(output_buffer=io.StringIO(), stdout=io.StringIO())
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config
