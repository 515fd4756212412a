"""What tests of the read model share: a town that has lived a while, and databases of both kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.readmodel.database import Database
from gateway.readmodel.following import Following
from ledgernode.wire.answers import Block
from tests.audit.whole_town import WholeTown, lived
from tests.gateway.readmodel.sources import Played, blocks_of
from tests.postgres import PostgresServer

_NUMBERS = count()


@pytest.fixture(scope="session")
def town() -> WholeTown:
    """Every contract has been at work in it: `tests.audit` says how."""
    return lived()


@pytest.fixture(scope="session")
def blocks(town: WholeTown) -> list[Block]:
    return blocks_of(town.ledger.chain)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "model.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(f"model_{next(_NUMBERS)}")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = Database(url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def lived_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database for a model of the whole town, which tests only read."""
    if request.param == "sqlite":
        return str(tmp_path_factory.mktemp("lived") / "model.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url("lived")


@pytest.fixture
async def model(lived_url: str, blocks: list[Block], town: WholeTown) -> AsyncIterator[Database]:
    """The whole town, projected (once: what is written already is not written again)."""
    opened = Database(lived_url)
    await Following(opened, Played(blocks), town.ledger.genesis_bytes).run(to_height=len(blocks) - 1)
    yield opened
    await opened.close()
