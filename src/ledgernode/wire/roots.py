"""What the Merkle roots of a block and of a signed batch stand over.

    transaction root  leaves are SHA-256(envelope), in the block's order
    receipts root     leaves are the encoded receipts: those of timers first, then one for each envelope
    items root        leaves are the elements of the batch in their order, each as JSON in one form: no white
                      space, keys sorted, text unescaped wherever JSON allows

The leaf of an envelope is its hash, which every node keeps anyway, so that a proof of one element can
leave the envelope and the other elements out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from ledgernode.wire import merkle

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def transaction_root(envelope_hashes: Sequence[bytes]) -> bytes:
    return merkle.root(envelope_hashes)


def receipts_root(receipts: Sequence[bytes]) -> bytes:
    return merkle.root(receipts)


def item_leaves(elements: Iterable[Any]) -> tuple[bytes, ...]:
    """The elements as they are proven."""
    return tuple(_ENCODER.encode(element) for element in elements)


def items_root(elements: Sequence[Any]) -> bytes:
    return merkle.root(item_leaves(elements))
