"""From the outbox to a ledger that comes and goes, and the ledger's events from where they were left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gateway.commands.follower import Follower
from gateway.commands.inbox import Inbox
from gateway.limits import Limits
from gateway.outbox.drain import Drain
from gateway.outbox.outbox import Outbox
from ledgernode.client import LedgerClient, Outcome, Stage
from ledgernode.errors import LedgerError, NodeUnreachable, Pruned, UnknownTransaction
from ledgernode.wire.answers import NumberedEvent
from ledgernode.wire.types import Height, TransactionId
from tests.conditions import eventually
from tests.gateway.test_inbox import A, Ledger
from tests.gateway.test_outbox import METER, OTHER, entry, opened

QUICK = {"drain_pause_start_ms": 5, "drain_pause_limit_ms": 20}


class FakeLedger:
    """A client that answers as it is told: each connection ends with the next failure, if there is one."""

    def __init__(self, *failures: LedgerError, code: str = "OK") -> None:
        self._failures = list(failures)
        self._code = code
        self.sent: list[bytes] = []
        self.answers_of_a_connection = 3
        self.events_there: list[NumberedEvent] = []
        self.asked_from: list[int] = []
        self.first: Outcome | None = None
        """What became of any transaction when it came for the first time."""

    def connect(self) -> LedgerClient:
        return cast("LedgerClient", self)

    async def __aenter__(self) -> FakeLedger:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def submit_batches(self, transactions: AsyncIterator[Any]) -> AsyncIterator[list[Outcome]]:
        failure = self._failures.pop(0) if self._failures else None
        left = self.answers_of_a_connection
        async for signed in transactions:
            self.sent.append(signed.id)
            if failure is not None and not left:
                raise failure
            left -= 1
            yield [Outcome(signed.id, Stage.COMMITTED, self._code, height=Height(9))]

    async def status_of(self, transaction_id: Any, *, wait_ms: int) -> Outcome:
        if self.first is None:
            raise UnknownTransaction
        return msgspec.structs.replace(self.first, transaction_id=transaction_id)

    async def events(self, from_height: int = 0, *, names: Sequence[str] = ()) -> AsyncIterator[NumberedEvent]:
        assert names
        self.asked_from.append(from_height)
        for event in self.events_there:
            if event.height >= from_height:
                yield event
        if self._failures:
            raise self._failures.pop(0)
        await asyncio.Event().wait()

    async def proof(self, transaction_id: bytes) -> bytes:
        return b"no proof"  # what is told without one is refused by the device

    async def facts(self) -> Any:
        return type("Facts", (), {"height": 77})


@asynccontextmanager
async def draining(outbox: Outbox, ledger: FakeLedger) -> AsyncIterator[Drain]:
    drain = Drain(outbox, ledger.connect)
    running = asyncio.create_task(drain.run())
    yield drain
    drain.finish()
    await asyncio.wait_for(running, 10)


async def test_a_ledger_that_breaks_off_again_and_again_gets_everything_in_the_end(tmp_path: Path) -> None:
    """What had no answer is sent again; each entry leaves once."""
    ledger = FakeLedger(*(NodeUnreachable("away") for _ in range(5)))
    told: list[int] = []
    async with opened(tmp_path, **QUICK, run_entries=4) as outbox:
        outbox.settled = lambda one, _code, _height: told.append(one.sequence)
        await asyncio.gather(*(outbox.offer(METER, entry(number)) for number in range(30)))
        async with draining(outbox, ledger):
            await eventually(lambda: outbox.room.entries == 0)
        assert told == list(range(30))
        assert len(ledger.sent) > 30


@pytest.mark.parametrize("same", [True, False])
async def test_a_number_that_was_used_is_no_error_where_it_was_used_by_the_same(tmp_path: Path, same: bool) -> None:
    """Told and settled as it was the first time. Of another content under that number it is put aside, and told."""
    ledger, told = FakeLedger(code="SEQUENCE_REPLAYED"), list[tuple[str, int]]()
    if same:
        ledger.first = Outcome(TransactionId(bytes(32)), Stage.COMMITTED, "OK", height=Height(5))
    async with opened(tmp_path, **QUICK) as outbox:
        outbox.settled = lambda _one, code, height: told.append((code, height))
        await outbox.offer(METER, entry(1))
        async with draining(outbox, ledger):
            await eventually(lambda: told)
        await eventually(lambda: same or list(outbox.store.refused()))
        assert told == [("OK", 5) if same else ("SEQUENCE_REPLAYED", 9)]
        assert [one.code for one in outbox.store.refused()] == ([] if same else ["SEQUENCE_REPLAYED"])


async def test_what_two_senders_brought_is_sent_once_and_settled_for_both(tmp_path: Path) -> None:
    mine = entry(1)
    theirs = mine._replace(lane=OTHER.account + mine.creator)
    ledger = FakeLedger()
    async with opened(tmp_path, **QUICK) as outbox:
        await asyncio.gather(outbox.offer(METER, mine), outbox.offer(OTHER, theirs))
        async with draining(outbox, ledger):
            await eventually(lambda: outbox.room.entries == 0)
    assert ledger.sent == [mine.id]


async def test_a_drain_that_is_told_to_finish_ends_at_once_when_nothing_is_under_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox, draining(outbox, FakeLedger()):
        await asyncio.sleep(0)


@asynccontextmanager
async def following(
    outbox: Outbox, ledger: FakeLedger, inbox: Inbox, publish: Callable[[str], None]
) -> AsyncIterator[None]:
    follower = Follower(inbox, outbox, ledger.connect, changed=lambda: None, publish=publish)
    running = asyncio.create_task(follower.run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_events_go_on_from_where_they_were_left(tmp_path: Path) -> None:
    """Over a broken connection and a restart; a line is published once."""
    source, ledger, lines = Ledger(), FakeLedger(NodeUnreachable("away")), list[str]()
    ledger.events_there = [source.command(number, A) for number in range(1, 4)]
    async with opened(tmp_path, **QUICK) as outbox:
        inbox = Inbox(Limits())
        async with following(outbox, ledger, inbox, lines.append):
            await eventually(lambda: len(ledger.asked_from) == 2 and len(list(inbox)) == 3)
    ledger.events_there.append(source.command(4, A))
    async with opened(tmp_path, **QUICK) as outbox:
        again = Inbox(Limits())
        async with following(outbox, ledger, again, lines.append):
            await eventually(lambda: len(list(again)) == 4)
    assert ledger.asked_from == [0, 3, 3]
    assert lines == [f"New Transaction #{number}: energy from a → b" for number in range(1, 5)]


async def test_events_that_are_pruned_are_passed_over_and_it_goes_on(tmp_path: Path) -> None:
    ledger = FakeLedger(Pruned("gone"))
    async with opened(tmp_path, **QUICK) as outbox, following(outbox, ledger, Inbox(Limits()), lambda _line: None):
        await eventually(lambda: ledger.asked_from == [0, 77])


@pytest.mark.parametrize("code", ["metering.IN_FUTURE", "SEQUENCE_REPLAYED"])
async def test_what_took_no_effect_in_its_block_is_put_aside(tmp_path: Path, code: str) -> None:
    async with opened(tmp_path, **QUICK) as outbox:
        await outbox.offer(METER, entry(1))
        async with draining(outbox, FakeLedger(code=code)):
            await eventually(lambda: [one.code for one in outbox.store.refused()] == [code])
        assert outbox.room.entries == 0
