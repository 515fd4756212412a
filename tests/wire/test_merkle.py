"""Merkle trees against the recursive definitions of RFC 6962, section 2.1, written as they stand there."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.wire import merkle

LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def largest_power_below(n: int) -> int:
    return 1 << ((n - 1).bit_length() - 1)


def reference_root(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def reference_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if index < k:
        return [*reference_path(index, leaves[:k]), reference_root(leaves[k:])]
    return [*reference_path(index - k, leaves[k:]), reference_root(leaves[:k])]


@pytest.mark.parametrize("size", range(68))
def test_the_root_is_that_of_the_rfc(size: int) -> None:
    """Every size up to 67, so every shape of tree up to seven levels."""
    leaves = [bytes([i]) for i in range(size)]
    assert merkle.root(leaves) == reference_root(leaves)


def test_the_tree_of_nothing_is_the_hash_of_nothing() -> None:
    """RFC 6962: the hash of an empty list is the hash of an empty string."""
    assert merkle.root([]) == merkle.EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 35))
def test_every_path_is_that_of_the_rfc_and_verifies(size: int) -> None:
    """For every leaf of every size."""
    leaves = [bytes([i]) for i in range(size)]
    for index in range(size):
        found = merkle.path(leaves, index)
        assert list(found) == reference_path(index, leaves)
        assert merkle.verify(leaves[index], index, size, found, merkle.root(leaves))


@given(LEAVES, st.data())
def test_an_altered_proof_never_verifies(leaves: list[bytes], data: st.DataObject) -> None:
    """Another leaf, root or sibling, one more or one fewer, another place: refused."""
    size, index = len(leaves), data.draw(st.integers(0, len(leaves) - 1))
    proof, root = list(merkle.path(leaves, index)), merkle.root(leaves)
    assert not merkle.verify(leaves[index] + b"x", index, size, proof, root)
    assert not merkle.verify(leaves[index], index, size, proof, bytes(32))
    assert not merkle.verify(leaves[index], index, size, [*proof, bytes(32)], root)
    assert not merkle.verify(leaves[index], index + size, size, proof, root)
    assert not merkle.verify(leaves[index], -1, size, proof, root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify(leaves[index], index, size, proof[:at] + proof[at + 1 :], root)
        altered = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        assert not merkle.verify(leaves[index], index, size, altered, root)


@given(LEAVES, st.data())
def test_a_leaf_verifies_at_its_own_place_only(leaves: list[bytes], data: st.DataObject) -> None:
    """The path fixes the index, unless the leaf and its siblings are the same there."""
    distinct = [bytes([i]) + leaf for i, leaf in enumerate(leaves)]
    index, other = (data.draw(st.integers(0, len(leaves) - 1)) for _ in range(2))
    holds = merkle.verify(distinct[index], other, len(leaves), merkle.path(distinct, index), merkle.root(distinct))
    assert holds == (index == other)


def test_a_node_never_passes_as_a_leaf() -> None:
    """The prefix keeps 64 bytes of two hashes from being a leaf's data."""
    leaves = [b"a", b"b", b"c", b"d"]
    inner = merkle.leaf_hash(b"a") + merkle.leaf_hash(b"b")
    top = merkle.node_hash(merkle.leaf_hash(b"c"), merkle.leaf_hash(b"d"))
    assert not merkle.verify(inner, 0, 2, [top], merkle.root(leaves))


@pytest.mark.parametrize("index", [-1, 3])
def test_a_path_of_no_leaf_is_refused(index: int) -> None:
    """Our own mistake."""
    with pytest.raises(IndexError):
        merkle.path([b"a", b"b", b"c"], index)
