"""What goes wrong on a feeder, put there on purpose: theft and faults that a detector has to find.

    what flows past or through a meter          what its readings say
      Bypass        a part of the load past it    ClockDrift   its hours are not the hours
      Tampered      it counts a part of it        Silent       none for a while
      Magnet        it stands still, now and then
      PhaseLoss     one of its phases is not measured
      Stuck         it shows the same for ever

Each is a value that acts on one house from one time to another. They compose: the second acts on what the first has
left. Chance is computed from a seed and the time, so that a scenario is the same every time. The truth stands in the
community's state: what was stolen, and what a meter would have shown.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, NamedTuple

import msgspec

from devices.physics.community import Wish

FOR_EVER_MS: Final = 1 << 62
DAY_MS: Final = 86_400_000


class Reading(NamedTuple):
    """Registers at a time, as the ledger would get them."""

    time_ms: int
    import_mwh: int
    export_mwh: int


class Injection(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """On one house; nothing by itself."""

    kind: ClassVar[str] = ""
    house: int
    from_ms: int = 0
    until_ms: int = FOR_EVER_MS

    def acts(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.until_ms

    def wished(self, wish: Wish, at_ms: int) -> Wish:  # noqa: ARG002  # for those that ask for the time
        """What happens in the house while it acts."""
        return wish

    def told(self, readings: Sequence[Reading]) -> list[Reading]:
        """What the house's readings say with it."""
        return list(readings)


class Bypass(Injection, frozen=True, tag=True, kw_only=True):
    """A wire around the meter: theft that it cannot see."""

    kind = "bypass"
    share: float = 0.5

    def wished(self, wish: Wish, at_ms: int) -> Wish:  # noqa: ARG002
        past_va = wish.load_va * self.share
        return msgspec.structs.replace(wish, load_va=wish.load_va - past_va, stolen_va=wish.stolen_va + past_va)


class Tampered(Injection, frozen=True, tag=True, kw_only=True):
    """A meter that was opened: it counts a part of what passes it."""

    kind = "tampered"
    counts: float = 0.6

    def wished(self, wish: Wish, at_ms: int) -> Wish:  # noqa: ARG002
        return msgspec.structs.replace(wish, counted=wish.counted * self.counts)


class Magnet(Injection, frozen=True, tag=True, kw_only=True):
    """A magnet on the meter, for hours of some days: its sensors are blind meanwhile."""

    kind = "magnet"
    seed: int = 0
    often: float = 0.4
    hours: int = 4

    def wished(self, wish: Wish, at_ms: int) -> Wish:
        drawn = hashlib.sha256(f"{self.seed}|{self.house}|{at_ms // (self.hours * 3_600_000)}".encode()).digest()
        is_on = int.from_bytes(drawn[:4]) < self.often * (1 << 32)
        return msgspec.structs.replace(wish, counted=0.0) if is_on else wish


class PhaseLoss(Injection, frozen=True, tag=True, kw_only=True):
    """A meter of three phases that has lost the voltage of one: a fault, not a theft; it counts two thirds."""

    kind = "phase loss"

    def wished(self, wish: Wish, at_ms: int) -> Wish:  # noqa: ARG002
        return msgspec.structs.replace(wish, counted=wish.counted * 2 / 3)


class Stuck(Injection, frozen=True, tag=True, kw_only=True):
    """A meter whose registers stand still, while it goes on reporting."""

    kind = "stuck"

    def wished(self, wish: Wish, at_ms: int) -> Wish:  # noqa: ARG002
        return msgspec.structs.replace(wish, counted=0.0)


class ClockDrift(Injection, frozen=True, tag=True, kw_only=True):
    """A clock that gains (or loses) so much a day: readings say a time at which the registers stood otherwise."""

    kind = "clock drift"
    gains_ms_per_day: int = 60_000

    def told(self, readings: Sequence[Reading]) -> list[Reading]:
        """A clock ahead by d shows at its t what stood at t - d."""
        return [
            _standing(readings, each.time_ms, each.time_ms - self.ahead_ms(each.time_ms))
            if self.acts(each.time_ms)
            else each
            for each in readings
        ]

    def ahead_ms(self, at_ms: int) -> int:
        return (at_ms - self.from_ms) * self.gains_ms_per_day // DAY_MS


class Silent(Injection, frozen=True, tag=True, kw_only=True):
    """No readings for a while: the loss is unknown then, and nobody's."""

    kind = "silent"

    def told(self, readings: Sequence[Reading]) -> list[Reading]:
        return [each for each in readings if not self.acts(each.time_ms)]


def wished(injections: Iterable[Injection], wishes: Sequence[Wish], at_ms: int) -> list[Wish]:
    """The wishes of a community's step, with everything that goes wrong in it."""
    found = list(wishes)
    for injection in injections:
        if injection.acts(at_ms):
            found[injection.house] = injection.wished(found[injection.house], at_ms)
    return found


def told(injections: Iterable[Injection], house: int, readings: Sequence[Reading]) -> list[Reading]:
    """The readings of one house, with what goes wrong in telling them."""
    found = list(readings)
    for injection in injections:
        if injection.house == house:
            found = injection.told(found)
    return found


def _standing(readings: Sequence[Reading], label_ms: int, at_ms: int) -> Reading:
    """Registers at a time between readings, in proportion; at the ends those that are there."""
    if at_ms <= readings[0].time_ms:
        return readings[0]._replace(time_ms=label_ms)
    place = bisect_left(readings, at_ms, key=lambda each: each.time_ms)
    if place == len(readings):
        return readings[-1]._replace(time_ms=label_ms)
    before, after = readings[place - 1], readings[place]
    part_ms, whole_ms = at_ms - before.time_ms, after.time_ms - before.time_ms
    return Reading(
        label_ms,
        before.import_mwh + (after.import_mwh - before.import_mwh) * part_ms // whole_ms,
        before.export_mwh + (after.export_mwh - before.export_mwh) * part_ms // whole_ms,
    )
