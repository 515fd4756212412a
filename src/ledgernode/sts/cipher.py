"""The seam for ciphers: EA11 stands here; an operator who holds the tables of another makes one more value.

Whatever seals, opens or derives takes the cipher as an argument. What a meter is keyed for is part of its key: the
code goes into the derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ledgernode.sts import misty1


class Cipher(NamedTuple):
    """A cipher of eight-byte blocks; `encrypt` and `decrypt` take a block and a key."""

    code: str  # the two digits by which the standard knows it
    key_bytes: int
    encrypt: Callable[[bytes, bytes], bytes]
    decrypt: Callable[[bytes, bytes], bytes]


EA11: Final = Cipher("11", misty1.KEY_BYTES, misty1.encrypt, misty1.decrypt)
