"""What tests of the HTTP API share: a town that has lived, and its read model on databases of both kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from ledgernode.testing import Member
from tests.audit.whole_town import WholeTown
from tests.gateway.api.site import PlayedModel, Site, peopled
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def town() -> tuple[WholeTown, dict[str, Member]]:
    return peopled()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> str:
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url("api")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("model") / "model.db")


@pytest.fixture
async def site(town: tuple[WholeTown, dict[str, Member]], database: str) -> AsyncIterator[Site]:
    """On SQLite; what is in the model already is not written again."""
    async for found in _site(town, database):
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
async def any_site(
    request: pytest.FixtureRequest, town: tuple[WholeTown, dict[str, Member]], database: str
) -> AsyncIterator[Site]:
    """On each kind of database."""
    url = database if request.param == "sqlite" else request.getfixturevalue("postgresql")
    async for found in _site(town, url):
        yield found


async def _site(town: tuple[WholeTown, dict[str, Member]], url: str) -> AsyncIterator[Site]:
    model = PlayedModel(url, town[0].ledger)
    try:
        await model.catch_up()
        yield Site(*town, model)
    finally:
        await model.close()
