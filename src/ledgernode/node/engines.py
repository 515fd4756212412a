"""Which engine orders a ledger: the name in its genesis, looked up here.

An engine lives for one epoch. It begins from the block that handed over to its set (genesis for the first),
knows the members by their positions in the set, and signs as the member whose key this node holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ledgernode.config import PBFT_WINDOW
from ledgernode.consensus.engine import Engine
from ledgernode.consensus.jetstream.core import Jetstream
from ledgernode.consensus.pbft.core import Pbft, Timing
from ledgernode.consensus.pbft.messages import Scope, Stable
from ledgernode.consensus.pbft.view_change import Rules
from ledgernode.consensus.pow.core import ProofOfWork
from ledgernode.consensus.pow.messages import Below
from ledgernode.consensus.pow.retarget import WorkRules
from ledgernode.consensus.solo import Solo
from ledgernode.errors import BadGenesis, BadProof
from ledgernode.identity import keys
from ledgernode.identity.engine_options import (
    DEPTH_BLOCKS,
    INTERVAL_MS,
    TIME_BOUND_MS,
    WINDOW_BLOCKS,
    first_target,
    option,
)
from ledgernode.identity.signing import SigningKey
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.quorum import quorum
from ledgernode.wire.types import ChainId, Height, TimeMs
from ledgernode.wire.validators import ValidatorSet, parse_certificate, vote_bytes


class Founding(msgspec.Struct, frozen=True):
    """What an epoch's engine is made of."""

    chosen: GenesisEngine
    chain_id: ChainId
    validators: ValidatorSet
    position: int
    key: SigningKey
    parameters: Parameters
    base_height: Height
    """The last block before the epoch: every member starts from it."""
    base_hash: bytes
    base_time_ms: TimeMs

    def verify(self, position: int, message: bytes, signature: bytes) -> bool:
        """Did the member at this position sign this?"""
        members = self.validators.members
        return 0 <= position < len(members) and keys.verify(members[position].public_key, message, signature)


def make_engine(founding: Founding) -> Engine:
    """An engine for the epoch of this set; refuses a name this software does not have."""
    make = ENGINES.get(founding.chosen.name)
    if make is None:
        raise BadGenesis(f"this node has no engine {founding.chosen.name!r}; it has {', '.join(sorted(ENGINES))}")
    return make(founding)


def _solo(founding: Founding) -> Engine:
    return Solo(founding.validators.epoch)


def _pbft(founding: Founding) -> Engine:
    base = Stable(founding.base_height, founding.base_hash, b"")
    limits = founding.parameters
    rules = Rules(
        Scope(founding.chain_id, founding.validators.epoch),
        len(founding.validators.members),
        PBFT_WINDOW,
        founding.verify,
        lambda stable: stable == base or _is_certified(founding, stable),
    )
    timing = Timing(view_timeout_ms=limits.view_timeout_ms, clock_skew_ms=limits.clock_skew_ms)
    return Pbft(rules, founding.position, founding.key.sign, base, timing)


def _is_certified(founding: Founding, stable: Stable) -> bool:
    """Did q members of the set sign the header of this hash?"""
    try:
        signatures = parse_certificate(stable.certificate).signatures
    except BadProof:
        return False
    needed = quorum(len(founding.validators.members))
    message = vote_bytes(founding.chain_id, founding.validators.epoch, Height(stable.height), stable.header_hash)
    return len(signatures) >= needed and all(founding.verify(at, message, signature) for at, signature in signatures)


def _pow(founding: Founding) -> Engine:
    return ProofOfWork(
        chain_id=founding.chain_id,
        epoch=founding.validators.epoch,
        rules=WorkRules(
            first_target=first_target(founding.chosen),
            interval_ms=option(founding.chosen, INTERVAL_MS),
            window=option(founding.chosen, WINDOW_BLOCKS),
            depth=option(founding.chosen, DEPTH_BLOCKS),
            clock_skew_ms=founding.parameters.clock_skew_ms,
        ),
        members=len(founding.validators.members),
        position=founding.position,
        sign=founding.key.sign,
        verify=founding.verify,
        base=Below(founding.base_hash, founding.base_height, founding.base_time_ms, ()),
    )


def _jetstream(founding: Founding) -> Engine:
    return Jetstream(
        chain_id=founding.chain_id,
        epoch=founding.validators.epoch,
        members=len(founding.validators.members),
        position=founding.position,
        sign=founding.key.sign,
        verify=founding.verify,
        base_height=founding.base_height,
        bound_ms=option(founding.chosen, TIME_BOUND_MS),
    )


ENGINES: Final[dict[str, Callable[[Founding], Engine]]] = {
    "jetstream": _jetstream,
    "pbft": _pbft,
    "pow": _pow,
    "solo": _solo,
}
