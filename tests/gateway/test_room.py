"""Quotas and rates: what is refused is refused with a code and a time, and costs nothing."""

from __future__ import annotations

import pytest

from gateway.limits import Limits
from gateway.outbox.room import Bucket, Room
from ledgernode.errors import OutboxFull, RateLimited

LIMITS = Limits(outbox_bytes=1_000, device_entries=3, concentrator_entries=5, device_burst=4, device_refill_ms=100)


def taken(room: Room, account: bytes, size: int = 10, *, carries: bool = False, now_ms: int = 0) -> None:
    room.require(account, size, carries=carries, now_ms=now_ms)
    room.took(account, size)


def test_the_whole_is_bounded_in_bytes() -> None:
    room = Room(LIMITS)
    taken(room, b"a", 600)
    with pytest.raises(OutboxFull) as refusal:
        taken(room, b"b", 401)
    assert refusal.value.facts["retry_ms"]
    taken(room, b"b", 400)
    room.left(b"a", 600)
    taken(room, b"c", 600)
    assert (room.entries, room.size) == (2, 1_000)


def test_one_device_takes_no_more_than_its_share_and_others_go_on() -> None:
    room = Room(LIMITS)
    for _ in range(3):
        taken(room, b"a")
    with pytest.raises(OutboxFull):
        taken(room, b"a")
    taken(room, b"b")
    for _ in range(5):
        taken(room, b"c", carries=True)
    with pytest.raises(OutboxFull):
        taken(room, b"c", carries=True)


def test_a_rate_lets_a_burst_pass_and_then_says_when() -> None:
    bucket = Bucket(3, 100_000, 0)
    assert [bucket.take(0) for _ in range(4)] == [0, 0, 0, 100]
    assert bucket.take(40) == 60
    assert (bucket.take(100), bucket.take(100)) == (0, 100)


def test_a_clock_that_is_set_back_gives_and_takes_nothing() -> None:
    bucket = Bucket(1, 100_000, 1_000_000)
    assert bucket.take(1_000_000) == 0
    assert bucket.take(5) == 100
    assert bucket.take(105) == 0


def test_a_device_that_is_too_fast_is_told_so() -> None:
    room = Room(Limits(device_burst=2, device_refill_ms=50))
    taken(room, b"a")
    taken(room, b"a")
    with pytest.raises(RateLimited) as refusal:
        taken(room, b"a")
    assert refusal.value.facts["retry_ms"] == 50
    taken(room, b"b")


def test_rates_of_the_silent_are_forgotten() -> None:
    room = Room(LIMITS)
    taken(room, b"a")
    room.forget_idle(99)
    assert room._buckets
    room.forget_idle(100)
    assert not room._buckets
