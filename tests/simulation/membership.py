"""Who orders an epoch: whose key has which place, what those keys sign, and how a decision changes the set.

A key is a number; the first set has the keys 0, 1, 2, ... at these places. A rotated key takes the place of
the old one. Keys sign in a scheme that only their owner's code uses: enough for a simulation, and fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256, sha512

from ledgernode.consensus.certifier import check_certificate
from ledgernode.consensus.pbft.messages import Scope
from ledgernode.consensus.quorum import quorum
from ledgernode.errors import BadProof
from ledgernode.wire.block import Header
from ledgernode.wire.types import ChainId, Epoch, IdentityId, TimeMs
from ledgernode.wire.validators import Certificate, Validator, ValidatorSet, set_hash

CHAIN = ChainId(sha256(b"simulation").digest())
SCOPE = Scope(CHAIN, Epoch(0))
STARTS_MS = 1_700_000_000_000
GENESIS_MS = TimeMs(STARTS_MS - 1_000)
LEAST_MEMBERS = 4


@lru_cache(maxsize=1 << 13)
def sign_as(key: int, message: bytes) -> bytes:
    return sha512(b"%d/" % key + message).digest()


def verify(key: int, message: bytes, signature: bytes) -> bool:
    return sign_as(key, message) == signature


def verify_key(public_key: bytes, message: bytes, signature: bytes) -> bool:
    return sign_as(public_key[1], message) == signature


@dataclass(frozen=True)
class Membership:
    """The set of an epoch: (identity, key) of each member, by identity."""

    epoch: Epoch
    seats: tuple[tuple[int, int], ...]

    @cached_property
    def keys(self) -> tuple[int, ...]:
        return tuple(key for _, key in self.seats)

    @cached_property
    def places(self) -> dict[int, int]:
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def scope(self) -> Scope:
        return Scope(CHAIN, self.epoch)

    @cached_property
    def validators(self) -> ValidatorSet:
        return ValidatorSet.of(
            self.epoch,
            [Validator(IdentityId(bytes([name]) * 32), f"org{name}", public_key(key)) for name, key in self.seats],
        )

    @cached_property
    def set_hash(self) -> bytes:
        return set_hash(self.validators)

    @property
    def quorum(self) -> int:
        return quorum(len(self.seats))

    def verify(self, place: int, message: bytes, signature: bytes) -> bool:
        return 0 <= place < len(self.keys) and sign_as(self.keys[place], message) == signature

    def certifies(self, certificate: Certificate, header: Header) -> bool:
        try:
            check_certificate(header, certificate, self.validators, verify_key)
        except BadProof:
            return False
        return True


def public_key(key: int) -> bytes:
    return b"\x04" + bytes([key]) * 64


@lru_cache(maxsize=64)
def founders(members: int) -> Membership:
    return Membership(Epoch(0), tuple((key, key) for key in range(members)))


# ------------------------------------------------------------ decisions

_SET = b"set"


def adds(key: int) -> bytes:
    """The transaction by which a member joins."""
    return b"%s/add/%d" % (_SET, key)


def removes(key: int) -> bytes:
    return b"%s/remove/%d" % (_SET, key)


def rotates(old: int, new: int) -> bytes:
    return b"%s/rotate/%d/%d" % (_SET, old, new)


def decided(envelopes: tuple[bytes, ...], current: Membership) -> Membership | None:
    """The set that the first valid decision among these makes; None when there is none."""
    changed = (_changed(item.split(b"/"), current) for item in envelopes if item.startswith(_SET + b"/"))
    return next((membership for membership in changed if membership is not None), None)


@lru_cache(maxsize=256)
def _next(current: Membership, seats: tuple[tuple[int, int], ...]) -> Membership:
    """One object for one set, so that what it has computed is shared."""
    return Membership(Epoch(current.epoch + 1), seats)


def _changed(words: list[bytes], current: Membership) -> Membership | None:
    kind, numbers = words[1], [int(word) for word in words[2:]]
    keys = current.places
    match kind, numbers:
        case b"add", [new] if new not in keys:
            seats = (*current.seats, (new, new))
        case b"remove", [old] if old in keys and len(keys) > LEAST_MEMBERS:
            seats = tuple(seat for seat in current.seats if seat[1] != old)
        case b"rotate", [old, new] if old in keys and new not in keys:
            seats = tuple((name, new if key == old else key) for name, key in current.seats)
        case _:
            return None
    return _next(current, tuple(sorted(seats)))
