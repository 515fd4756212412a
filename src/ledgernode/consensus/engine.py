"""The seam between ordering and everything else.

An engine is a pure function of the events it has seen: it reads no clock, does no I/O and draws no
random numbers. The driver hands it one event at a time and performs the `Ready` it answers, in the
order of its fields: **persist** everything, then **send**, then **deliver**. What is delivered is
final. Engines never look inside an envelope.

After executing a delivered batch each validator signs the header; those signatures are collected by
`consensus.certifier`, alike on every engine.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from ledgernode.wire.block import Batch
from ledgernode.wire.types import Height, TimeMs

# ---------------------------------------------------------------- events in


class Started(msgspec.Struct, frozen=True):
    """From disk: the last executed height and its time, and the engine's own log."""

    now_ms: TimeMs
    height: Height
    time_ms: TimeMs
    persisted: tuple[bytes, ...]


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


Event = Started | Received | Ticked | ProposalAvailable

# ---------------------------------------------------------------- effects out


class Send(msgspec.Struct, frozen=True):
    """A message to the validators at these positions; to all others when empty."""

    message: bytes
    receivers: tuple[int, ...] = ()


class Ready(msgspec.Struct, frozen=True):
    persist: tuple[bytes, ...] = ()
    send: tuple[Send, ...] = ()
    deliver: tuple[Batch, ...] = ()
    wants_proposal: bool = False
    next_tick_ms: TimeMs | None = None


class Engine(Protocol):
    def step(self, event: Event) -> Ready: ...
