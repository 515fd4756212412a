"""One durable write at a time: what gathers meanwhile shares the next, and nothing is sent before it stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from ledgernode.consensus.engine import Send
from ledgernode.errors import DiskFull
from ledgernode.node.writing import Writer
from ledgernode.store.kv import Table, Write
from tests.conditions import eventually


class SlowChain:
    """Appends as a chain does, each time when it is let; `writes` has what was durable with each."""

    def __init__(self, height: int = 0) -> None:
        self.head = SimpleNamespace(height=height)
        self.held: dict[int, str] = {}
        self.writes: list[tuple[list[Any], dict[int, str], list[Write]]] = []
        self.begun = 0
        self.failure: Exception | None = None
        self._gate = threading.Semaphore(0)

    def append(self, sealed: Any, certificates: dict[int, str], *, beside: list[Write]) -> None:
        self.begun += 1
        assert self.begun == len(self.writes) + 1, "two writes at a time"
        self._gate.acquire()
        if self.failure is not None:
            raise self.failure
        self.writes.append((list(sealed), certificates, list(beside)))
        self.head.height += len(sealed)
        for height in certificates:
            del self.held[height]

    def let(self, times: int = 1) -> None:
        self._gate.release(times)


class Written(SimpleNamespace):
    chain: SlowChain
    writer: Writer
    woken: int


@pytest.fixture
async def slow() -> AsyncIterator[Written]:
    found = Written(chain=SlowChain(), woken=0)

    def wake() -> None:
        found.woken += 1

    found.writer = Writer(found.chain, wake)  # type: ignore[arg-type]
    yield found
    found.chain.let(100)
    found.writer.close()


def row(name: str) -> Write:
    return (Table.META, name.encode(), b"")


def send(name: str) -> Send:
    return Send(name.encode())


async def finished(slow: Written) -> Any:
    slow.chain.let()
    return await eventually(slow.writer.finished)


async def test_nothing_is_sent_before_what_it_promises_is_durable(slow: Written) -> None:
    """At rest the write begins at once; its sends and blocks come out when it has ended, once."""
    slow.writer.promise([row("vote")], [send("vote")])
    slow.writer.append("block 1")
    assert not slow.writer.idle
    slow.writer.start()
    await eventually(lambda: slow.chain.begun)
    assert slow.writer.finished() is None
    assert (slow.chain.writes, slow.woken) == ([], 0)
    written = await finished(slow)
    assert (written.sends, written.sealed) == ((send("vote"),), ("block 1",))
    assert slow.chain.writes == [(["block 1"], {}, [row("vote")])]
    assert slow.woken == 1
    assert slow.writer.finished() is None
    assert slow.writer.idle


async def test_what_gathers_meanwhile_shares_the_next_write_in_order(slow: Written) -> None:
    """One sync for all of it, and never two at a time."""
    slow.writer.promise([row("first")], [send("first")])
    slow.writer.start()
    for name in ("a", "b", "c"):
        slow.writer.promise([row(name)], [send(name)])
        slow.writer.append(f"block {name}")
        slow.writer.start()
    assert (await finished(slow)).sends == (send("first"),)
    slow.writer.start()
    written = await finished(slow)
    assert written.sends == (send("a"), send("b"), send("c"))
    assert written.sealed == ("block a", "block b", "block c")
    assert [beside for _, _, beside in slow.chain.writes] == [[row("first")], [row("a"), row("b"), row("c")]]


async def test_a_message_without_a_promise_does_not_overtake_one(slow: Written) -> None:
    """What is to be sent after a promise leaves after it, though it needs no write itself."""
    slow.writer.promise([row("vote")], [send("vote")])
    slow.writer.start()
    assert not slow.writer.idle, "whoever looks hands its message in here"
    slow.writer.promise([], [send("help")])
    assert (await finished(slow)).sends == (send("vote"),)
    slow.writer.start()
    assert (await finished(slow)).sends == (send("help"),)


async def test_a_certificate_is_written_with_its_block_or_after_it(slow: Written) -> None:
    """One for a block that is not on its way to the disk yet waits for it."""
    slow.chain.held = {1: "of 1", 2: "of 2"}
    slow.writer.append("block 1")
    slow.writer.start()
    await finished(slow)
    slow.writer.append("block 2")
    slow.writer.start()
    await finished(slow)
    assert [(sealed, certificates) for sealed, certificates, _ in slow.chain.writes] == [
        (["block 1"], {1: "of 1"}),
        (["block 2"], {2: "of 2"}),
    ]
    assert slow.chain.held == {}


async def test_a_write_that_fails_sends_nothing(slow: Written) -> None:
    """Whoever asks for its end is given the reason."""
    slow.chain.failure = DiskFull("no room")
    slow.writer.promise([row("vote")], [send("vote")])
    slow.writer.start()
    slow.chain.let()
    await eventually(lambda: slow.woken)
    with pytest.raises(DiskFull, match="no room"):
        slow.writer.finished()


async def test_nothing_gathered_is_nothing_written(slow: Written) -> None:
    """An idle ledger does not touch the disk."""
    slow.writer.start()
    await asyncio.sleep(0)
    assert slow.chain.begun == 0
    assert slow.writer.idle


async def test_closing_waits_for_the_write_under_way(slow: Written) -> None:
    """What has begun is durable when the database is closed."""
    slow.writer.promise([row("vote")], ())
    slow.writer.start()
    await eventually(lambda: slow.chain.begun)
    threading.Timer(0.1, slow.chain.let).start()
    slow.writer.close()
    assert slow.chain.writes == [([], {}, [row("vote")])]
