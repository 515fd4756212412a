"""A tap counts every byte, each way, and can hold a line on which nobody says that the other end is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from devices.fleet.tap import Passed, Tap


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """Says everything twice."""

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1_000):
            writer.write(2 * piece)
        writer.close()

    server = await asyncio.start_server(twice, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_what_passes_is_counted_each_way_over_all_connections(echo: str) -> None:
    async with Tap(echo) as tap:
        before = tap.passed
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*tap.endpoint.split(":"))
            writer.write(b"x" * 500)
            assert await reader.readexactly(1_000) == b"x" * 1_000
            writer.close()
        assert tap.passed.since(before) == Passed(1_500, 3_000, 3)


async def test_a_held_line_lets_nothing_through_and_ends_nothing(echo: str) -> None:
    async with Tap(echo) as tap:
        reader, writer = await asyncio.open_connection(*tap.endpoint.split(":"))
        writer.write(b"a")
        assert await reader.readexactly(2) == b"aa"
        tap.hold()
        writer.write(b"b")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert tap.passed.there == 2
        assert not tap.dropped.is_set()
        writer.close()
