"""A torn write never loses what was kept before, at whatever byte power went."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.slots import SLOTS, Kept, capacity, decode, encode, newest, place

SLOT_BYTES = 256
PAYLOADS = st.binary(max_size=capacity(SLOT_BYTES))


def written(slots: list[bytes], kept: Kept) -> list[bytes]:
    after = list(slots)
    after[place(kept.generation)] = encode(kept, SLOT_BYTES)
    return after


@given(st.lists(PAYLOADS, min_size=1, max_size=10))
def test_what_was_written_last_is_what_is_kept(payloads: list[bytes]) -> None:
    slots = [b"\0" * SLOT_BYTES] * SLOTS
    for generation, payload in enumerate(payloads):
        slots = written(slots, Kept(generation, payload))
        assert newest(slots) == Kept(generation, payload)


@given(PAYLOADS, PAYLOADS, PAYLOADS)
def test_a_write_that_stops_at_any_byte_leaves_the_old_or_the_new(first: bytes, second: bytes, third: bytes) -> None:
    """Never something else, and never nothing."""
    before = written(written([b"\0" * SLOT_BYTES] * SLOTS, Kept(0, first)), Kept(1, second))
    after = written(before, Kept(2, third))
    for length in range(SLOT_BYTES + 1):
        torn = [after[0][:length] + before[0][length:], before[1]]
        assert newest(torn) in (Kept(1, second), Kept(2, third))
    assert newest(after) == Kept(2, third)


@given(PAYLOADS, PAYLOADS, st.lists(st.booleans(), min_size=8, max_size=8))
def test_sectors_may_arrive_in_any_order(old: bytes, new: bytes, arrived: list[bool]) -> None:
    """A disk writes the sectors of one slot as it likes."""
    before = written(written([b"\0" * SLOT_BYTES] * SLOTS, Kept(4, old)), Kept(5, b"stands"))
    after = encode(Kept(6, new), SLOT_BYTES)
    sectors = [
        (after if is_new else before[0])[number * 32 : number * 32 + 32] for number, is_new in enumerate(arrived)
    ]
    assert newest([b"".join(sectors), before[1]]) in (Kept(5, b"stands"), Kept(6, new))


@given(st.binary(max_size=SLOT_BYTES))
def test_garbage_is_no_copy(content: bytes) -> None:
    assert decode(content) is None


def test_every_flipped_bit_of_a_slot_is_noticed() -> None:
    """In head, payload and check; the zeros behind them mean nothing."""
    slot = encode(Kept(7, b"registers"), SLOT_BYTES)
    end = len(slot.rstrip(b"\0"))
    for bit in range(8 * end):
        flipped = bytearray(slot)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode(bytes(flipped)) is None


def test_a_copy_in_the_others_place_does_not_count() -> None:
    """Whoever swaps the halves of a file does not bring the older registers back."""
    old, new = encode(Kept(2, b"old"), SLOT_BYTES), encode(Kept(3, b"new"), SLOT_BYTES)
    assert newest([old, new]) == Kept(3, b"new")
    assert newest([new, old]) is None
    assert newest([b"", b""]) is None


def test_what_does_not_fit_is_a_fault_of_ours() -> None:
    encode(Kept(0, b"x" * capacity(SLOT_BYTES)), SLOT_BYTES)
    with pytest.raises(AssertionError):
        encode(Kept(0, b"x" * (capacity(SLOT_BYTES) + 1)), SLOT_BYTES)
