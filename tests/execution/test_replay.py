"""Replay windows against a plain set of numbers, and what the state remembers of ids."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ledgernode.errors import SequenceReplayed, SequenceTooFar
from ledgernode.execution import replay
from ledgernode.execution.overlay import BlockOverlay
from ledgernode.execution.replay import SequenceWindow, admit
from ledgernode.store.memory import MemoryStore
from ledgernode.store.past import CurrentState
from ledgernode.store.state import record
from ledgernode.wire.types import Height, IdentityId, TransactionId, sha256


def outcome(window: SequenceWindow, number: int, width: int) -> tuple[str, SequenceWindow]:
    try:
        return "taken", admit(window, number, width)
    except SequenceReplayed:
        return "replayed", window
    except SequenceTooFar:
        return "too far", window


@given(
    numbers=st.lists(st.integers(0, 60), max_size=60),
    widths=st.lists(st.integers(1, 24), min_size=60, max_size=60),
)
def test_window_takes_each_number_once(numbers: list[int], widths: list[int]) -> None:
    """As a plain set would: within `width` above the highest, not below the lowest ever left behind, not twice.

    The width changes at every step, as governance may change it; nothing used comes back by it.
    """
    window, used, highest, floor = SequenceWindow(), set[int](), -1, 0
    for number, width in zip(numbers, widths, strict=False):
        verdict, window = outcome(window, number, width)
        if number > highest + width:
            assert verdict == "too far"
        elif number in used or number < floor:
            assert verdict == "replayed"
        else:
            assert verdict == "taken"
            used.add(number)
            highest = max(highest, number)
            floor = max(floor, highest - width + 1)
        stored = record(1, 0, replay.encode_window(window))
        assert replay.read_window(stored) == window


@settings(max_examples=20)
@given(st.permutations(range(1_024)))
def test_a_whole_window_arrives_in_any_order(numbers: list[int]) -> None:
    """A device's stored transactions are taken whatever the order they arrive in, each once."""
    window = SequenceWindow()
    for number in numbers:
        window = admit(window, number, 1_024)
    assert (window.highest, window.floor) == (1_023, 0)
    assert window.used == b"\xff" * 128
    with pytest.raises(SequenceReplayed):
        admit(window, numbers[0], 1_024)


def test_window_stays_small_and_moves_on() -> None:
    """The record never exceeds the window's bits; what fell out of the window is refused as used."""
    window = SequenceWindow()
    for number in range(0, 5_000, 7):
        window = admit(window, number, 64)
        assert len(window.used) <= 8
    with pytest.raises(SequenceReplayed):
        admit(window, window.highest - 64, 64)
    assert admit(window, window.highest - 62, 64).highest == window.highest
    with pytest.raises(SequenceTooFar):
        admit(window, window.highest + 65, 64)


def test_huge_number_costs_nothing() -> None:
    """The largest number of the format is refused without building a window of its size."""
    with pytest.raises(SequenceTooFar):
        admit(SequenceWindow(), (1 << 63) - 1, 1_024)


def transaction_id(number: int) -> TransactionId:
    return TransactionId(sha256(b"%d" % number))


def test_state_remembers_ids_until_their_time_and_refused_ones_for_ever() -> None:
    """What a restored node rebuilds its index from; a digest may go once block time has passed its last validity."""
    with MemoryStore().reader() as nothing:
        overlay = BlockOverlay(CurrentState(nothing), 9)
    first = [(transaction_id(1), 4), (transaction_id(2), 5)]
    for valid_until_ms, entries in ((2_000, first), (3_000, [(transaction_id(3), 0)])):
        key = replay.digest_state(valid_until_ms, Height(8))
        overlay.apply(0, key, record(9, 0, replay.encode_digest(entries)))
    assert not replay.any_refused(overlay)
    refused = record(9, 7, replay.encode_refused(Height(9), 7))
    overlay.apply(0, replay.refused_state(transaction_id(4)), refused)
    sequence = record(9, 0, replay.encode_window(admit(SequenceWindow(), 5, 10)))
    overlay.apply(0, replay.sequence_state(IdentityId(bytes(32))), sequence)

    assert replay.any_refused(overlay)
    assert sorted(replay.remembered(overlay)) == sorted(
        [
            (transaction_id(1)[:16], 8, 4),
            (transaction_id(2)[:16], 8, 5),
            (transaction_id(3)[:16], 8, 0),
            (transaction_id(4)[:16], 9, 7),
        ]
    )
    assert replay.forgettable(overlay, 2_000) == []
    assert replay.forgettable(overlay, 2_001) == [replay.digest_state(2_000, 8)]
    assert len(replay.forgettable(overlay, 1 << 62)) == 2
