"""The password of the model's database comes from a file, as it is with each new connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from gateway.readmodel.database import Database

SSL_REQUEST = 8
CLEARTEXT = b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big")


class Asking:
    """A server that asks for a password, remembers what it hears, and hangs up."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.port = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(4), "big")
            await reader.readexactly(length - 4)
            if length == SSL_REQUEST:
                writer.write(b"N")
                await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
            writer.write(CLEARTEXT)
            await reader.readexactly(1)
            said = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
            self.heard.append(said.rstrip(b"\0").decode())
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    found = Asking()
    server = await asyncio.start_server(found.meet, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


async def refused(database: Database) -> str:
    with pytest.raises((OSError, SQLAlchemyError)) as caught:
        async with database.reader.connect():
            pass
    return str(caught.value)


async def test_the_password_is_read_with_each_connection(asking: Asking, tmp_path: Path) -> None:
    """One that was replaced holds at once, and nobody is shown either."""
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("first\n")
    database = Database(f"postgresql://tester@127.0.0.1:{asking.port}/model?password_file={file}")
    try:
        await refused(database)
        file.write_text("second")
        await refused(database)
        assert set(asking.heard) == {"first", "second"}
        assert "second" not in database.named
    finally:
        await database.close()


async def test_a_password_that_others_can_read_is_not_used(asking: Asking, tmp_path: Path) -> None:
    """The model waits for a database that it cannot reach; what is wrong is said."""
    file = tmp_path / "password"
    file.write_text("open")
    file.chmod(0o644)
    database = Database(f"postgresql://tester@127.0.0.1:{asking.port}/model?password_file={file}")
    try:
        assert "chmod 600" in await refused(database)
        assert asking.heard == []
    finally:
        await database.close()
