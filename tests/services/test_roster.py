"""The ledgers of one process come, run and go each by itself."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from ledgernode.errors import DatabaseDamaged
from ledgernode.services.roster import Roster


class Played:
    """A ledger that does what it is told to."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.grown = asyncio.Event()

    def start(self) -> None:
        self.said.append("started")

    async def outgrown(self) -> None:
        await self.grown.wait()

    async def stop(self, drain_ms: int = 5_000) -> None:
        self.said.append("drained" if drain_ms else "stopped")

    def close(self) -> None:
        self.said.append("closed")


class Place:
    """What opens: anything but the names that are bad."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.opened: list[tuple[str, Played]] = []
        self.forgotten: list[str] = []
        self.roster: Roster[Played] = Roster(self.open, self.forgotten.append, structlog.get_logger())

    def open(self, name: str) -> Played:
        if name in self.bad:
            raise DatabaseDamaged(f"{name} is damaged")
        self.opened.append((name, Played()))
        return self.opened[-1][1]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_that_cannot_be_opened_leaves_the_others_alone() -> None:
    """It is put aside with its reason; nothing ends."""
    place = Place("bad")
    place.roster.open(("bad", "good"))
    place.roster.start()
    await settle()
    assert list(place.roster.ledgers) == ["good"]
    assert str(place.roster.failed["bad"]) == "bad is damaged"
    assert place.opened[0][1].said == ["started"]
    place.roster.require_any()
    await place.roster.stop()
    place.roster.close()
    assert place.opened[0][1].said == ["started", "drained", "closed"]


def test_a_node_none_of_whose_ledgers_opens_says_why() -> None:
    """As one does that has a single ledger."""
    with pytest.raises(DatabaseDamaged, match="first is damaged"):
        Place("first", "second").roster.open(("first", "second"))


async def test_ledgers_are_added_and_dropped_while_others_run() -> None:
    """What stays is not touched; what goes is drained, closed and forgotten; what comes back is opened anew."""
    place = Place()
    place.roster.open(("a", "b"))
    place.roster.start()
    await settle()
    await place.roster.follow(("b", "c"))
    await settle()
    (_, a), (_, b), (_, c) = place.opened
    assert (a.said, b.said, c.said) == (["started", "drained", "closed"], ["started"], ["started"])
    assert (place.roster.names, sorted(place.roster.ledgers), place.forgotten) == (["b", "c"], ["b", "c"], ["a"])
    await place.roster.follow(("a", "b", "c"))
    await settle()
    assert sorted(place.roster.ledgers) == ["a", "b", "c"]
    await place.roster.follow(())
    assert not place.roster.ledgers
    assert b.said == ["started", "drained", "closed"]


async def test_one_that_was_brought_forward_is_opened_again() -> None:
    """And none of the others is."""
    place = Place()
    place.roster.open(("a", "b"))
    place.roster.start()
    await settle()
    place.opened[0][1].grown.set()
    await settle()
    assert [name for name, _ in place.opened] == ["a", "b", "a"]
    assert place.opened[0][1].said == ["started", "stopped", "closed"]
    assert place.roster.ledgers["a"] is place.opened[2][1]
    await place.roster.stop()


async def test_one_that_breaks_while_it_runs_is_put_aside() -> None:
    """The process goes on while it has another, and ends with the reason of the first when it has none."""
    place = Place()
    place.roster.open(("a", "b"))
    place.roster.start()
    await settle()
    broken = asyncio.create_task(place.roster.broken())
    for name, (_, ledger) in zip("ab", list(place.opened), strict=True):
        assert not broken.done()
        place.bad.add(name)
        ledger.grown.set()
        await settle()
        assert str(place.roster.failed[name]) == f"{name} is damaged"
        assert ledger.said[-1] == "closed"
    await settle()
    assert broken.done()
    with pytest.raises(DatabaseDamaged, match="a is damaged"):
        place.roster.require_any()


async def test_one_that_failed_may_be_dropped_and_tried_again() -> None:
    """After what was wrong is mended."""
    place = Place("bad")
    place.roster.open(("bad", "good"))
    place.roster.start()
    await place.roster.follow(("good",))
    assert not place.roster.failed
    place.bad.clear()
    await place.roster.follow(("good", "bad"))
    await settle()
    assert sorted(place.roster.ledgers) == ["bad", "good"]
    await place.roster.stop()
