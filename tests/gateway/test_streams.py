"""Who may open a stream: one each, not too often, not more than there is room for."""

from __future__ import annotations

import pytest

from gateway.intake.streams import Streams
from gateway.limits import Limits
from ledgernode.errors import RateLimited

ACCOUNTS = [bytes((number,)) * 16 for number in range(4)]


def nothing() -> None:
    """Nobody minds."""


def test_the_newer_stream_ends_the_older_and_the_olders_end_leaves_the_newer() -> None:
    streams = Streams(Limits())
    replaced: list[str] = []
    first = streams.opened(ACCOUNTS[0], 0, lambda: replaced.append("first"))
    second = streams.opened(ACCOUNTS[0], 0, lambda: replaced.append("second"))
    streams.closed(ACCOUNTS[0], first)
    assert (replaced, len(streams)) == (["first"], 1)
    streams.closed(ACCOUNTS[0], second)
    assert len(streams) == 0


def test_a_device_that_reconnects_without_end_is_slowed_down() -> None:
    streams = Streams(Limits(connects_burst=3, connects_refill_ms=2_000))
    for _ in range(3):
        streams.opened(ACCOUNTS[0], 0, nothing)
    with pytest.raises(RateLimited) as refusal:
        streams.opened(ACCOUNTS[0], 500, nothing)
    assert refusal.value.facts["retry_ms"] == 1_500
    streams.opened(ACCOUNTS[1], 500, nothing)
    streams.opened(ACCOUNTS[0], 2_000, nothing)


def test_a_storm_is_sent_away_to_different_times() -> None:
    """A device that is here may come again; the others are told when, each another time."""
    streams = Streams(Limits(streams=1))
    streams.opened(ACCOUNTS[0], 0, nothing)
    streams.opened(ACCOUNTS[0], 0, nothing)
    told = set()
    for account in ACCOUNTS[1:]:
        with pytest.raises(RateLimited) as refusal:
            streams.opened(account, 0, nothing)
        told.add(refusal.value.facts["retry_ms"])
    assert len(told) == 3
    assert len(streams) == 1
