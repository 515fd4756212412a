"""The state commitment: a lattice hash, homomorphic over the set of (key, record) pairs (LtHash16).

Each pair becomes 1,024 lanes of 16 bits (BLAKE3's extendable output over a tagged, length-prefixed
encoding of the pair); the sum of a set is the lane-wise sum of its elements modulo 2^16. So a block's
change costs as much as it writes, whatever the size of the state, and sums of parts add up to the whole.

    element     BLAKE3-XOF(tag | key length 4 | key | record length 4 | record), 2,048 bytes
    sum         1,024 lanes of 2 bytes, little-endian
    commitment  SHA-256(tag | sum)

Source: Lewi, Kim, Maykov, Weis, "Securing Update Propagation with Homomorphic Hashing" (2019), with
BLAKE3 for BLAKE2; the parameters (16 bits, 1,024 lanes) are the ones that paper proposes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ledgernode import config

LANES: Final = 1_024
SUM_BYTES: Final = LANES * 2
_ELEMENT_TAG: Final = b"ledgernode/lattice/1\x00"
_COMMITMENT_TAG: Final = b"ledgernode/commitment/1\x00"
_LANE: Final = np.dtype("<u2")
_LENGTH: Final = struct.Struct(">I")

Pair = tuple[bytes, bytes]
"""(state key, stored record)"""


class Lattice:
    """The sum of a set of pairs. Immutable: an update makes a new one."""

    __slots__ = ("_sum",)

    def __init__(self, lattice_sum: bytes) -> None:
        assert len(lattice_sum) == SUM_BYTES, f"a lattice sum has {SUM_BYTES} bytes, not {len(lattice_sum)}"
        self._sum = lattice_sum

    @property
    def sum(self) -> bytes:
        return self._sum

    def commitment(self) -> bytes:
        """What a header carries."""
        return hashlib.sha256(_COMMITMENT_TAG + self._sum).digest()

    def updated(self, removed: Iterable[Pair], added: Iterable[Pair]) -> Lattice:
        """The sum after these pairs leave the set and those join it."""
        lanes = self._lanes() + _sum_of(added) - _sum_of(removed)
        return Lattice(lanes.tobytes())

    def __add__(self, other: Lattice) -> Lattice:
        """The sum of two disjoint sets together."""
        return Lattice((self._lanes() + other._lanes()).tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lattice) and self._sum == other._sum

    def __hash__(self) -> int:
        return hash(self._sum)

    def __repr__(self) -> str:
        return f"Lattice({self.commitment().hex()[:16]}…)"

    def _lanes(self) -> NDArray[np.uint16]:
        return np.frombuffer(self._sum, dtype=_LANE)


EMPTY: Final = Lattice(bytes(SUM_BYTES))


def _sum_of(pairs: Iterable[Pair]) -> NDArray[np.uint16]:
    """Chunk by chunk, so that the elements of a chunk stay in the processor's cache while they are summed."""
    total = np.zeros(LANES, dtype=_LANE)
    elements = _elements(pairs)
    while chunk := b"".join(islice(elements, config.LATTICE_CHUNK_ELEMENTS)):
        total += np.frombuffer(chunk, dtype=_LANE).reshape(-1, LANES).sum(axis=0, dtype=_LANE)
    return total


def _elements(pairs: Iterable[Pair]) -> Iterator[bytes]:
    pack = _LENGTH.pack
    for key, record in pairs:
        encoded = b"".join((_ELEMENT_TAG, pack(len(key)), key, pack(len(record)), record))
        yield blake3(encoded).digest(length=SUM_BYTES)
