"""The cipher beyond its two vectors: one wrong table entry could pass those, and fails here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.sts import misty1

blocks = st.binary(min_size=misty1.BLOCK_BYTES, max_size=misty1.BLOCK_BYTES)
keys = st.binary(min_size=misty1.KEY_BYTES, max_size=misty1.KEY_BYTES)


def degree(table: Sequence[int]) -> int:
    """The algebraic degree: the most input bits that are multiplied with each other in any output bit."""
    terms = list(table)
    for bit in range(len(table).bit_length() - 1):
        for place in range(len(terms)):
            if place >> bit & 1:
                terms[place] ^= terms[place ^ 1 << bit]
    return max(place.bit_count() for place, term in enumerate(terms) if term)


@pytest.mark.parametrize(("table", "expected"), [(misty1.S7, 3), (misty1.S9, 2)], ids=["S7", "S9"])
def test_the_tables_are_what_their_authors_built(table: Sequence[int], expected: int) -> None:
    """Permutations of degree 3 and 2 in which no difference is likelier than 2 in all: no wrong entry keeps that."""
    size = len(table)
    assert sorted(table) == list(range(size))
    assert degree(table) == expected
    for difference in range(1, size):
        seen = [table[place] ^ table[place ^ difference] for place in range(size)]
        assert len(set(seen)) == size // 2  # each output difference twice, or not at all


@given(blocks, keys)
def test_decryption_undoes_encryption(block: bytes, key: bytes) -> None:
    """In both directions: under one key the cipher is a permutation."""
    assert misty1.decrypt(misty1.encrypt(block, key), key) == block
    assert misty1.encrypt(misty1.decrypt(block, key), key) == block


@given(blocks, keys, st.integers(0, 127))
def test_every_bit_of_the_key_matters(block: bytes, key: bytes, bit: int) -> None:
    """A key that differs in one bit gives another block."""
    other = (int.from_bytes(key, "big") ^ 1 << bit).to_bytes(misty1.KEY_BYTES, "big")
    assert misty1.encrypt(block, key) != misty1.encrypt(block, other)
