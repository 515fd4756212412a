"""What a wallet signs to enter: a challenge of this door, for this ledger, good once and not for long.

    message   tag "ledgernode/entry/1" 0 | chain id 32 | origin 1+n | nonce 32 | expires 8 (ms)

The tag keeps a signature from ever being a transaction's. The origin is the page's own address as its browser knows it:
a page elsewhere that hands our challenge on has a signature for its own address.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledgernode.errors import ChallengeUnknown, RateLimited
from ledgernode.wire.types import ChainId

ENTRY_TAG: Final = b"ledgernode/entry/1\x00"
NONCE_BYTES: Final = 32
LIFE_MS: Final = 60_000
ORIGIN_BYTES: Final = 255
_OPEN: Final = 10_000


class Challenge(NamedTuple):
    nonce: bytes
    expires_ms: int


def entry_message(chain_id: ChainId, origin: str, challenge: Challenge) -> bytes:
    """The bytes to sign."""
    named = origin.encode()
    if not 0 < len(named) <= ORIGIN_BYTES:
        raise ValueError(f"an origin has 1 to {ORIGIN_BYTES} bytes")
    length, expires = bytes([len(named)]), challenge.expires_ms.to_bytes(8, "big")
    return b"".join((ENTRY_TAG, chain_id, length, named, challenge.nonce, expires))


class Challenges:
    """Those that are open. Each is answered once."""

    def __init__(self) -> None:
        self._open: dict[bytes, Challenge] = {}

    def ask(self, nonce: bytes, now_ms: int) -> Challenge:
        """A new one from random bytes; refuses when too many have been asked for and not answered."""
        self._forget(now_ms)
        if len(self._open) >= _OPEN:
            raise RateLimited("too many are entering at once", retry_ms=LIFE_MS // 10)
        challenge = Challenge(nonce, now_ms + LIFE_MS)
        self._open[nonce] = challenge
        return challenge

    def take(self, nonce: bytes, now_ms: int) -> Challenge:
        """The challenge that is answered; from now on it is none."""
        self._forget(now_ms)
        challenge = self._open.pop(nonce, None)
        if challenge is None:
            raise ChallengeUnknown("this challenge was never given, is answered, or is older than a minute: ask anew")
        return challenge

    def _forget(self, now_ms: int) -> None:
        """They end in the order in which they were given."""
        while self._open:
            first = next(iter(self._open.values()))
            if first.expires_ms > now_ms:
                return
            del self._open[first.nonce]
