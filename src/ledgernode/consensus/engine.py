"""The seam between ordering and everything else.

An engine is a pure function of the events it has seen: it reads no clock, does no I/O and draws no
random numbers. The driver hands it one event at a time and performs the `Ready` it answers, in the
order of its fields: **persist** everything, then **send**, then **deliver**. What is delivered is
final. Engines never look inside an envelope: the driver checks a proposal's envelopes when asked to
(`validate`) and says what it found (`Validated`).

After executing a delivered batch each validator signs the header; those signatures are collected by
`consensus.certifier`, alike on every engine. A block with its certificate is the engine's stable
checkpoint (`Certified`).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from ledgernode.wire.block import Batch
from ledgernode.wire.types import Height, TimeMs
from ledgernode.wire.voting import Contradiction


class LogEntry(msgspec.Struct, frozen=True):
    """One record of the engine's own log, by key; the last of a key counts, an empty one forgets it."""

    key: bytes
    record: bytes


# ---------------------------------------------------------------- events in


class Started(msgspec.Struct, frozen=True):
    """From disk: the last executed height and its time, the engine's own log, and what is left of the last epoch's."""

    now_ms: TimeMs
    height: Height
    time_ms: TimeMs
    persisted: tuple[LogEntry, ...]
    former: tuple[LogEntry, ...] = ()


class Received(msgspec.Struct, frozen=True):
    """A message from the validator at this position of the current set (its link is authenticated)."""

    now_ms: TimeMs
    sender: int
    message: bytes


class Ticked(msgspec.Struct, frozen=True):
    """Time has passed."""

    now_ms: TimeMs


class ProposalAvailable(msgspec.Struct, frozen=True):
    """Envelopes wait (none when only a contract timer is due). Sent again while `Ready.wants_proposal`."""

    now_ms: TimeMs
    envelopes: tuple[bytes, ...]


class WorkWaiting(msgspec.Struct, frozen=True):
    """Whether anything waits to be ordered here: what a leader is watched for."""

    now_ms: TimeMs
    waiting: bool


class PassedOver(msgspec.Struct, frozen=True):
    """The leader keeps leaving out a request that is valid, in its quota, and long waiting."""

    now_ms: TimeMs


class Validated(msgspec.Struct, frozen=True):
    """The driver has checked every envelope of the proposal with this digest."""

    now_ms: TimeMs
    digest: bytes
    holds: bool


class Certified(msgspec.Struct, frozen=True):
    """The block at this height has its certificate; everything up to it is stable."""

    now_ms: TimeMs
    height: Height
    header_hash: bytes
    certificate: bytes


class CaughtUp(msgspec.Struct, frozen=True):
    """Blocks up to this height were fetched, checked by certificate and executed."""

    now_ms: TimeMs
    height: Height
    time_ms: TimeMs


class Mined(msgspec.Struct, frozen=True):
    """The search of this job found a nonce."""

    now_ms: TimeMs
    job: bytes
    nonce: int


class EpochEnds(msgspec.Struct, frozen=True):
    """A decided set change: this engine orders nothing above this height."""

    now_ms: TimeMs
    last_height: Height


Event = (
    Started
    | Received
    | Ticked
    | ProposalAvailable
    | WorkWaiting
    | PassedOver
    | Validated
    | Certified
    | CaughtUp
    | Mined
    | EpochEnds
)

# ---------------------------------------------------------------- effects out


class Send(msgspec.Struct, frozen=True):
    """A message to the validators at these positions; to all others when empty."""

    message: bytes
    receivers: tuple[int, ...] = ()


class Validate(msgspec.Struct, frozen=True):
    """Check these envelopes (form, size, budget, signatures) and answer with `Validated`."""

    digest: bytes
    envelopes: tuple[bytes, ...]


class MiningJob(msgspec.Struct, frozen=True):
    """Find a nonce (8 bytes, big-endian, appended) whose double SHA-256 is at most the target."""

    prefix: bytes
    target: int


class Evidence(msgspec.Struct, frozen=True):
    """Two signed votes of the member at this position that contradict each other."""

    position: int
    contradiction: Contradiction


class Shown(msgspec.Struct, frozen=True):
    """A block's certificate, as bytes."""

    height: Height
    certificate: bytes


class Ready(msgspec.Struct, frozen=True):
    persist: tuple[LogEntry, ...] = ()
    send: tuple[Send, ...] = ()
    deliver: tuple[Batch, ...] = ()
    validate: tuple[Validate, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    behind: Height = Height(0)
    """Others are provably stable at this height and we are not: fetch blocks (0: we are not behind)."""
    shown: Shown | None = None
    """A peer has shown the certificate of a block that we have delivered: take it, if that lacks one."""
    mine: MiningJob | None = None
    """Search for this; stop whatever else is being searched for (None: search for nothing)."""
    halt: str = ""
    """Agreement can no longer be kept: stop loudly, with this reason."""
    wants_proposal: bool = False
    took_proposal: bool = False
    """The envelopes just offered are under way: do not offer them again until they are delivered or released."""
    released: bool = False
    """What was under way may have come to nothing: offer it again."""
    under_way: tuple[bytes, ...] = ()
    """These envelopes lie in blocks that are not delivered yet: do not offer them until those are, or are released."""
    next_tick_ms: TimeMs | None = None


class Engine(Protocol):
    def step(self, event: Event) -> Ready: ...
