"""To a real InfluxDB: what was logged is there, once, over the deaths of the store and of who writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.house.agent.export import sample_lines
from devices.house.agent.log import Sample
from devices.house_shell.sink import Address, Sink, read_address
from ledgernode.errors import BadRequest, DatabaseInUse
from tests.conditions import eventually
from tests.influx import PASSWORD, USER, Influx

pytestmark = pytest.mark.slow
AT = 1_767_225_600_000


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with Influx(tmp_path_factory.mktemp("influx") / "store") as running:
        yield running


@pytest.fixture(autouse=True)
def empty(influx: Influx) -> None:
    influx.ask("DROP MEASUREMENT home")


def known(influx: Influx, password: str = PASSWORD) -> Address:
    return read_address(influx.url, None, user=USER, password=password)


def minute(number: int) -> bytes:
    return sample_lines("north:h1", [Sample(AT + 60_000 * number, "meter", "power_mw", number)])


def expected(count: int) -> dict[tuple[str, int, str], int]:
    return {("meter", (AT + 60_000 * number) * 1_000_000, "power_mw"): number for number in range(count)}


async def test_all_of_it_arrives_once_over_deaths_of_both(influx: Influx, tmp_path: Path) -> None:
    """The store is killed, lines are kept, their process ends with answers lost, another goes on from the disk."""
    path = tmp_path / "sink.journal"
    first = Sink(path, known(influx))
    task = asyncio.create_task(first.run())
    for number in range(100):
        first.keep(minute(number))
    await eventually(lambda: not first.waiting)
    assert influx.points() == expected(100)
    influx.kill()
    for number in range(100, 400):
        first.keep(minute(number))
    await eventually(lambda: first.sending.pause_ms)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    influx.start()
    batch = first._batch()
    await first.once()
    assert len(batch) == 200
    first._journal.write(batch)  # as if it had been killed before it could forget them
    first.close()

    second = Sink(path, known(influx))
    assert second.waiting == 300
    second.keep(minute(400))
    task = asyncio.create_task(second.run())
    try:
        await eventually(lambda: not second.waiting)
        assert influx.points() == expected(401)
        assert (second.taken, second.set_aside, second.lost) == (301, 0, 0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        second.close()


async def test_what_the_store_refuses_is_set_aside(influx: Influx, tmp_path: Path) -> None:
    """A value of another type than before: the store itself says so, and everything else is there."""
    sink = Sink(tmp_path / "sink.journal", known(influx))
    for number in range(20):
        sink.keep(minute(number))
        if number in {3, 11}:
            sink.keep(f'home,house=north:h1,source=meter power_mw="a word" {AT}000001\n'.encode())
    for _ in range(30):
        if sink.waiting:
            await sink.once()
    assert (sink.waiting, sink.taken, sink.set_aside) == (0, 20, 2)
    assert influx.points() == expected(20)
    sink.close()


async def test_who_is_not_let_in_waits(influx: Influx, tmp_path: Path) -> None:
    """A wrong password loses nothing: it is an operator's to mend."""
    sink = Sink(tmp_path / "sink.journal", known(influx, "wrong"))
    sink.keep(minute(0))
    await sink.once()
    assert (sink.waiting, sink.set_aside) == (1, 0)
    assert sink.sending.pause_ms
    sink.close()
    mended = Sink(tmp_path / "sink.journal", known(influx))
    await mended.once()
    assert not mended.waiting
    assert influx.points() == expected(1)
    mended.close()


async def test_what_waits_is_bounded(influx: Influx, tmp_path: Path) -> None:
    """The oldest goes, and is counted."""
    sink = Sink(tmp_path / "sink.journal", known(influx), kept=5)
    for number in range(8):
        sink.keep(minute(number))
    assert (sink.waiting, sink.lost) == (5, 3)
    await sink.once()
    assert set(influx.points().values()) == {3, 4, 5, 6, 7}
    with pytest.raises(DatabaseInUse):
        Sink(tmp_path / "sink.journal", known(influx))
    sink.close()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/x",
        "http://store.example/write",
        "http://user:pass@localhost/write",
        "nonsense",
        "http://localhost:x/",
    ],
)
def test_an_address_that_is_none_or_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        read_address(url, None)


def test_an_address_shows_no_secret() -> None:
    found = read_address("https://store.example/api/v2/write?org=o&bucket=b", None, token="the secret")
    assert (found.host, found.port, found.path) == ("store.example", 443, "/api/v2/write?org=o&bucket=b")
    assert "secret" not in repr(found)
    assert found.authorization == "Token the secret"
