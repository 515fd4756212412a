"""The outbox in this process, on a real disk: once, in order, bounded, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.limits import Limits
from gateway.outbox.entry import Entry, Sender, lane_of
from gateway.outbox.outbox import Outbox
from gateway.outbox.store import OutboxStore, Writes
from gateway.outbox.verdict import Verdict
from ledgernode.client import Outcome, Stage
from ledgernode.errors import (
    DatabaseForeign,
    DatabaseInUse,
    DiskFull,
    NodeStopping,
    OutboxFull,
    RateLimited,
    SequenceConflict,
)
from ledgernode.wire.types import Height, TransactionId, identity_id, sha256

METER = Sender("north", "meter", "M-1")
OTHER = Sender("north", "meter", "M-2")


def entry(number: int, text: bytes = b"", sender: Sender = METER) -> Entry:
    creator = sha256(sender.name.encode())
    envelope = bytes(65 + 64 + 48) + creator + b"envelope %d " % number + text
    return Entry(lane_of(sender.account, creator), number, sha256(envelope), 0, envelope)


def outcome(of: Entry, code: str = "OK", *, height: int = 1) -> Outcome:
    stage = Stage.COMMITTED if height else Stage.REFUSED
    return Outcome(TransactionId(of.id), stage, code, height=Height(height))


class Clock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def opened(path: Path, clock: Callable[[], int] = lambda: 0, **limits: int) -> AsyncIterator[Outbox]:
    outbox = Outbox(path, Limits(**{"batch_age_ms": 0, **limits}), clock)
    writing = asyncio.create_task(outbox.write())
    yield outbox
    outbox.finish()
    await writing
    outbox.close()


async def kept(outbox: Outbox, *entries: Entry) -> None:
    await asyncio.gather(*(outbox.offer(METER, one) for one in entries))


async def test_what_is_kept_leaves_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    """Whatever order it came in."""
    async with opened(tmp_path) as outbox:
        await kept(outbox, *(entry(number) for number in (5, 3, 300, 4, 256)))
        assert [one.sequence for one in await outbox.batch()] == [3, 4, 5, 256, 300]


async def test_it_is_all_there_after_a_restart_and_only_that(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        await kept(outbox, *(entry(number) for number in range(6)))
        for one in await outbox.batch():
            if one.sequence < 4:
                assert outbox.answered(one, outcome(one)) is Verdict.SETTLED
    async with opened(tmp_path) as again:
        assert (again.turns.entries, again.room.entries) == (2, 2)
        assert await again.batch() == [entry(4), entry(5)]


async def test_the_same_number_is_kept_once(tmp_path: Path) -> None:
    """The same content is safe while it waits, while it is written, and just after it left; another one conflicts."""
    async with opened(tmp_path) as outbox:
        await asyncio.gather(outbox.offer(METER, entry(1)), outbox.offer(METER, entry(1)))
        await outbox.offer(METER, entry(1))
        assert outbox.turns.entries == 1
        with pytest.raises(SequenceConflict):
            outbox.offer(METER, entry(1, b"other"))
        (one,) = await outbox.batch()
        outbox.answered(one, outcome(one))
        await outbox.offer(METER, entry(1))
        assert outbox.turns.entries == 0


async def test_nobody_takes_a_place_in_anothers_lane(tmp_path: Path) -> None:
    """The same creator and number, brought by someone else, is another entry."""
    async with opened(tmp_path) as outbox:
        mine = entry(1)
        theirs = mine._replace(lane=lane_of(OTHER.account, mine.creator), id=sha256(b"x"), envelope=b"noise")
        await outbox.offer(OTHER, theirs)
        await outbox.offer(METER, mine)
        assert outbox.turns.lanes == 2


async def test_a_full_outbox_refuses_and_takes_again_when_something_has_left(tmp_path: Path) -> None:
    async with opened(tmp_path, device_entries=2) as outbox:
        await kept(outbox, entry(1), entry(2))
        with pytest.raises(OutboxFull):
            outbox.offer(METER, entry(3))
        for one in await outbox.batch():
            outbox.answered(one, outcome(one))
        await kept(outbox, entry(3))
    async with opened(tmp_path, device_burst=1) as outbox:
        await kept(outbox, entry(4))
        with pytest.raises(RateLimited):
            outbox.offer(METER, entry(5))


async def test_a_disk_that_takes_nothing_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits hears why; nothing is counted; when there is room again it goes on."""
    async with opened(tmp_path) as outbox:
        with monkeypatch.context() as broken:

            def full(_: object) -> None:
                raise DiskFull("no room: nothing was written")

            broken.setattr(outbox.store, "write", full)
            with pytest.raises(DiskFull):
                await outbox.offer(METER, entry(1))
        assert (outbox.room.entries, outbox.turns.entries) == (0, 0)
        await outbox.offer(METER, entry(1))
        assert (outbox.room.entries, outbox.turns.entries) == (1, 1)


async def test_what_the_ledger_refuses_for_good_is_put_aside_with_its_code(tmp_path: Path) -> None:
    """And told; so is what stands in a block and took no effect. Only so many are kept."""
    told: list[tuple[int, str, int]] = []
    clock = Clock()
    async with opened(tmp_path, clock, refused_kept=2) as outbox:
        outbox.settled = lambda one, code, height: told.append((one.sequence, code, height))
        await kept(outbox, *(entry(number) for number in range(4)))
        codes = [
            ("SIGNER_REVOKED", 0),
            ("ARGUMENTS_INVALID", 0),
            ("metering.IN_FUTURE", 7),
            ("TRANSACTION_DUPLICATE", 0),
        ]
        for one, (code, height) in zip(await outbox.batch(), codes, strict=True):
            clock.now_ms += 1
            outbox.answered(one, outcome(one, code, height=height))
    assert told == [(0, "SIGNER_REVOKED", 0), (1, "ARGUMENTS_INVALID", 0), (2, "metering.IN_FUTURE", 7), (3, "OK", 0)]
    store = OutboxStore(tmp_path, entry_bytes=1 << 20, refused_kept=2)
    assert [(one.code, one.entry) for one in store.refused()] == [
        ("ARGUMENTS_INVALID", entry(1)),
        ("metering.IN_FUTURE", entry(2)),
    ]
    store.close()


async def test_a_device_the_ledger_does_not_know_yet_waits_and_others_go_on(tmp_path: Path) -> None:
    """It is sent again after a pause, from its first entry on."""
    clock = Clock()
    async with opened(tmp_path, clock, hold_start_ms=1_000) as outbox:
        await kept(outbox, entry(1), entry(2))
        for one in await outbox.batch():
            assert outbox.answered(one, outcome(one, "SIGNER_UNKNOWN", height=0)) is Verdict.HOLD
        await outbox.offer(OTHER, entry(1, sender=OTHER))
        (one,) = await outbox.batch()
        assert outbox.answered(one, outcome(one)) is Verdict.SETTLED
        clock.now_ms += 1_000
        assert [one.sequence for one in await outbox.batch()] == [1, 2]


async def test_a_broken_connection_loses_nothing(tmp_path: Path) -> None:
    """What was on its way is sent again; a late answer of the old sending changes nothing."""
    async with opened(tmp_path) as outbox:
        await kept(outbox, entry(1), entry(2))
        first, _ = await outbox.batch()
        outbox.dropped()
        assert outbox.answered(first, outcome(first)) is Verdict.AGAIN
        assert [one.sequence for one in await outbox.batch()] == [1, 2]
        outbox.answered(first, outcome(first))
        outbox.dropped()
        assert [one.sequence for one in await outbox.batch()] == [2]


async def test_a_batch_is_bounded_in_bytes(tmp_path: Path) -> None:
    async with opened(tmp_path, batch_bytes=2_500) as outbox:
        await kept(outbox, *(entry(number, bytes(800)) for number in range(5)))
        first = await outbox.batch()
        assert [one.sequence for one in first] == [0, 1, 2]
        for one in first:
            outbox.answered(one, outcome(one))
        assert [one.sequence for one in await outbox.batch()] == [3, 4]


async def test_a_stopping_outbox_takes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        outbox.refuse_more()
        with pytest.raises(NodeStopping):
            outbox.offer(METER, entry(1))


async def test_a_clock_that_is_set_back_holds_up_nothing(tmp_path: Path) -> None:
    """Turns go by a clock that nobody sets."""
    clock, steady = Clock(), Clock()
    clock.now_ms = 10_000_000
    outbox = Outbox(tmp_path, Limits(batch_age_ms=50), clock, steady_ms=steady)
    writing = asyncio.create_task(outbox.write())
    await outbox.offer(METER, entry(1))
    clock.now_ms = 0
    assert outbox.turns.due_ms(steady.now_ms) == 50
    steady.now_ms = 50
    async with asyncio.timeout(10):
        assert [one.sequence for one in await outbox.batch()] == [1]
    outbox.finish()
    await writing
    outbox.close()


async def test_one_process_has_a_directory(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(DatabaseInUse):
            OutboxStore(tmp_path, entry_bytes=1 << 20, refused_kept=1)


def test_another_key_under_a_devices_name_has_a_lane_of_its_own() -> None:
    """It may be what the device has rotated to, or somebody else: who is not known yet is in nobody's way."""
    key, other = b"\x04" + bytes(64), b"\x04" + bytes(63) + b"1"
    creator = identity_id(key)
    own = lane_of(METER.account, creator)
    assert lane_of(METER.account, creator, key) == own
    assert lane_of(METER.account, creator, other) != own
    assert lane_of(METER.account, creator, other)[:16] == METER.account


def test_an_outbox_of_another_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """A newer version wrote it: what a device was told is safe waits there for that version."""
    store = OutboxStore(tmp_path, entry_bytes=1 << 20, refused_kept=1)
    store.write(Writes(kept=[entry(1)]))
    meta = store._environment.open_db(b"meta")
    with store._environment.begin(write=True) as transaction:
        transaction.put(b"format", b"ledgernode/outbox/2", db=meta)
    store.close()
    for _ in range(2):
        with pytest.raises(DatabaseForeign, match="in format ledgernode/outbox/2"):
            OutboxStore(tmp_path, entry_bytes=1 << 20, refused_kept=1)
