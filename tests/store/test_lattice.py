"""The lattice hash: laws of a homomorphic set hash."""

from __future__ import annotations

import hashlib
import random

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.store.lattice import EMPTY, SUM_BYTES, Lattice

states = st.dictionaries(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=60), max_size=12)
SLOWLY_TAG = b"ledgernode/lattice/1\x00"


def slow_sum(state: dict[bytes, bytes]) -> bytes:
    """By the book, one lane at a time."""
    lanes = [0] * 1_024
    for key, record in state.items():
        encoded = SLOWLY_TAG + len(key).to_bytes(4, "big") + key + len(record).to_bytes(4, "big") + record
        element = blake3(encoded).digest(length=2_048)
        for lane in range(1_024):
            lanes[lane] = (lanes[lane] + int.from_bytes(element[2 * lane : 2 * lane + 2], "little")) % 65_536
    return b"".join(lane.to_bytes(2, "little") for lane in lanes)


@given(states)
def test_sum_is_the_lane_wise_sum_of_the_elements(state: dict[bytes, bytes]) -> None:
    """The bulk sum equals the definition."""
    assert EMPTY.updated((), state.items()).sum == slow_sum(state)


@given(states, st.randoms(use_true_random=False))
def test_sum_does_not_depend_on_order(state: dict[bytes, bytes], shuffler: random.Random) -> None:
    """A set has one sum, however it was built."""
    pairs = list(state.items())
    shuffler.shuffle(pairs)
    one_by_one = EMPTY
    for pair in pairs:
        one_by_one = one_by_one.updated((), [pair])
    assert one_by_one == EMPTY.updated((), state.items())


@given(states, states)
def test_removing_undoes_adding(before: dict[bytes, bytes], more: dict[bytes, bytes]) -> None:
    """Adding and removing the same pairs, in one update or two, gives the sum back."""
    start = EMPTY.updated((), before.items())
    assert start.updated((), more.items()).updated(more.items(), ()) == start
    assert start.updated(more.items(), more.items()) == start


@given(states, st.integers(0, 12))
def test_sums_of_parts_add_up_to_the_whole(state: dict[bytes, bytes], cut: int) -> None:
    """Key ranges add up."""
    pairs = sorted(state.items())
    low, high = EMPTY.updated((), pairs[:cut]), EMPTY.updated((), pairs[cut:])
    assert low + high == EMPTY.updated((), pairs)
    assert (low + high).commitment() == EMPTY.updated((), pairs).commitment()


@given(states, states)
def test_different_sets_differ(first: dict[bytes, bytes], second: dict[bytes, bytes]) -> None:
    """Equal commitments mean equal sets."""
    same = EMPTY.updated((), first.items()).commitment() == EMPTY.updated((), second.items()).commitment()
    assert same == (first == second)


def test_the_border_between_key_and_record_counts() -> None:
    """Moving a byte from the record to the key makes another element."""
    assert EMPTY.updated((), [(b"ab", b"c")]) != EMPTY.updated((), [(b"a", b"bc")])


def test_a_large_update_spans_many_chunks() -> None:
    """A bulk update larger than one chunk equals the same in small ones."""
    pairs = [(b"key %d" % number, b"record %d" % number) for number in range(1_500)]
    small = EMPTY
    for at in range(0, 1_500, 100):
        small = small.updated((), pairs[at : at + 100])
    assert EMPTY.updated((), pairs) == small
    assert small.updated(pairs, ()) == EMPTY


def test_commitment_is_the_tagged_hash_of_the_sum() -> None:
    """Lattices with equal sums are equal, and the commitment is pinned by its definition."""
    lattice = EMPTY.updated((), [(b"k", b"v")])
    assert lattice.commitment() == hashlib.sha256(b"ledgernode/commitment/1\x00" + lattice.sum).digest()
    assert Lattice(lattice.sum) == lattice
    assert hash(Lattice(lattice.sum)) == hash(lattice)
    assert repr(lattice).startswith(f"Lattice({lattice.commitment().hex()[:16]}")
    with pytest.raises(AssertionError):
        Lattice(bytes(SUM_BYTES - 1))
