"""The model's database by its URL: a file of SQLite, or a server of PostgreSQL.

    model.db                      a file, embedded: WAL, so that pages read while blocks are written
    sqlite:///folder/model.db     the same
    postgresql://user@host/name   a server
    postgresql://user@host/name?password_file=/a/path   the same; the file is read with each connection that is made

One engine writes, in transactions that take the lock at once; another reads, and each of its transactions sees one
state. A SQLite commit is not waited for on disk: after a power cut the file is whole and lacks the last blocks, which
are followed again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.readmodel.bounds import BUSY_MS, CONNECT_S, POOL, SQLITE_CACHE_KIB
from ledgernode.errors import BadRequest, KeyFileUnsafe
from ledgernode.identity.secret_file import read_secret

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_FILE: Final = "password_file"
_DRIVERS: Final = {SQLITE: "sqlite+aiosqlite", POSTGRESQL: "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    f"PRAGMA busy_timeout={BUSY_MS}",
    f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}",
    "PRAGMA temp_store=MEMORY",
)


def database_url(text: str) -> URL:
    """Refuses (BadRequest) what is neither SQLite nor PostgreSQL."""
    if "://" not in text:
        text = f"sqlite:///{text}"
    url = make_url(text)
    family = url.drivername.partition("+")[0]
    if family not in _DRIVERS:
        raise BadRequest(f"the read model is kept in SQLite or PostgreSQL, not in {family}")
    return url.set(drivername=_DRIVERS[family])


class Database:
    """Two engines on one database: `writer` and `reader`."""

    def __init__(self, text: str) -> None:
        self.url = database_url(text)
        self.dialect = self.url.get_backend_name()
        self.writer = self._engine(1, "BEGIN IMMEDIATE")
        self.reader = self._engine(POOL, "BEGIN")

    @property
    def named(self) -> str:
        """For people: without a password."""
        return self.url.render_as_string(hide_password=True)

    async def close(self) -> None:
        await self.writer.dispose()
        await self.reader.dispose()

    def _engine(self, connections: int, begin: str) -> AsyncEngine:
        options: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_pre_ping": True}
        if self.dialect == POSTGRESQL:
            if begin == "BEGIN":
                options["isolation_level"] = "REPEATABLE READ"  # all questions of a page see one state, as in SQLite
            file = self.url.query.get(_FILE)
            url = self.url.difference_update_query([_FILE])
            engine = create_async_engine(url, **options, connect_args={"timeout": CONNECT_S})
            if file is not None:
                event.listen(engine.sync_engine, "do_connect", _with_password(Path(str(file))))
            return engine
        engine = create_async_engine(self.url, **options)
        event.listen(engine.sync_engine, "connect", _prepared)
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


def _prepared(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _with_password(file: Path) -> Callable[[Any, Any, Any, dict[str, Any]], None]:
    """A password that is replaced in its file holds from the next connection on."""

    def connecting(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
        try:
            options["password"] = read_secret(file).decode().strip()
        except KeyFileUnsafe as error:
            raise OSError(str(error)) from error  # the database cannot be reached: that is waited for

    return connecting
