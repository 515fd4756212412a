"""A replica's place in the network: what every part of it reads, and the effects they cause together."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from ledgernode.consensus.engine import Evidence, Send, Shown, Validate
from ledgernode.consensus.pbft.journal import Journal
from ledgernode.consensus.pbft.messages import Message, Stable, encode
from ledgernode.consensus.pbft.view_change import Rules
from ledgernode.wire.block import Batch
from ledgernode.wire.types import TimeMs

Sign = Callable[[bytes], bytes]


class Timing(msgspec.Struct, frozen=True):
    """Bounds of one replica; units last."""

    view_timeout_ms: int = 1_500
    view_timeout_limit_ms: int = 60_000
    resend_ms: int = 400
    standing_ms: int = 2_000
    clock_skew_ms: int = 500
    in_flight: int = 8


class Seat:
    """Who we are, what time it is, which view we are in and how far we have come."""

    def __init__(self, rules: Rules, position: int, sign: Sign, base: Stable, timing: Timing) -> None:
        self.rules = rules
        self.position = position
        self.sign = sign
        self.timing = timing
        self.quorum = rules.quorum
        self.faulty = rules.faulty
        self.journal = Journal(rules.scope.epoch)
        self.effects = Effects()
        self.now = TimeMs(0)
        self.view = 0
        self.changing = False
        self.silent = True  # until our peers have told us what we said before
        self.stable = base  # certified here, and all below it: what lies under it may be forgotten
        self.proven = base  # the highest block that anyone has shown to be certified
        self.delivered = int(base.height)
        self.delivered_ms = TimeMs(0)
        self.last_height: int | None = None
        self.waiting = False

    @property
    def leader(self) -> int:
        return self.rules.leader(self.view)

    @property
    def leads(self) -> bool:
        return self.view % self.rules.members == self.position

    @property
    def may_vote(self) -> bool:
        return not self.changing and not self.silent

    @property
    def highest(self) -> int:
        """The last sequence that may be voted on now: the window's end, or the epoch's."""
        end = self.stable.height + self.rules.window
        return end if self.last_height is None else min(end, self.last_height)

    def tell(self, message: Message, *receivers: int) -> None:
        self.effects.send.append(Send(encode(message), receivers))


class Effects(msgspec.Struct):
    """What one step has caused so far."""

    send: list[Send] = []
    deliver: list[Batch] = []
    validate: list[Validate] = []
    evidence: list[Evidence] = []
    shown: Shown | None = None
    suspects: bool = False
    took_proposal: bool = False
    released: bool = False
    halt: str = ""


class Throttle:
    """Lets the same thing happen once in a time; forgets what may happen again."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._until: dict[Hashable, int] = {}

    def allows(self, what: Hashable, now: int) -> bool:
        if self._until.get(what, 0) > now:
            return False
        self._until = {other: until for other, until in self._until.items() if until > now}
        self._until[what] = now + self._every_ms
        return True
