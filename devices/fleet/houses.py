"""What a meter's registers show: a house's day, from a seed; measured files take its place.

A `Houses` answers for any moment at once, without what came before it: so a reading can be made again at any time, and
a hundred thousand houses take no memory. Registers never go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

from devices.fleet.plan import Run

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_MWH_PER_WH: Final = 1_000
_KINDS: Final = 64
_SCALES: Final = 101
_LOAD_W: Final = (180, 160, 150, 150, 160, 210, 420, 560, 480, 380, 340, 360,
                  430, 390, 350, 360, 470, 720, 940, 980, 860, 640, 420, 260)  # fmt: skip
_SUN_OF_A_THOUSAND: Final = (0, 0, 0, 0, 0, 0, 30, 150, 340, 560, 760, 920,
                             1_000, 960, 830, 640, 420, 210, 60, 0, 0, 0, 0, 0)  # fmt: skip


class Shown(NamedTuple):
    """On the registers, and at that moment: positive is taken from the grid."""

    import_mwh: int
    export_mwh: int
    power_mw: int


class Houses(Protocol):
    """The houses of a fleet, by place."""

    def shown(self, place: int, since_ms: int) -> Shown:
        """After so much of the houses' own time."""
        ...


class _Day:
    """One kind of day: what is taken and given in each hour, and summed up to it. Whole watt-hours."""

    def __init__(self, net_w: Sequence[int]) -> None:
        self.net_w = tuple(net_w)
        self.taken = _sums([max(0, one) for one in net_w])
        self.given = _sums([max(0, -one) for one in net_w])


class SeededHouses:
    """Houses that differ in what they use, and a third of which have panels."""

    def __init__(self, chance: Random) -> None:
        self._days = [_day(chance) for _ in range(_KINDS)]
        self._scales = [chance.randint(40, 220) for _ in range(_SCALES)]

    def shown(self, place: int, since_ms: int) -> Shown:
        day, percent = self._days[place % _KINDS], self._scales[place % _SCALES]
        taken, given = _mwh(day.taken, since_ms), _mwh(day.given, since_ms)
        power_w = day.net_w[since_ms % DAY_MS // HOUR_MS]
        return Shown(taken * percent // 100, given * percent // 100, power_w * 1_000 * percent // 100)


class Courses:
    """What meters show over the runs of a fleet: between runs the houses stand still."""

    def __init__(self, houses: Houses, runs: Sequence[Run]) -> None:
        self._houses = houses
        self._begins: list[tuple[Run, int]] = []
        own_ms = 0
        for run in runs:
            self._begins.append((run, own_ms))
            own_ms += (run.ends_ms - run.begins_ms) * run.speed

    def shown(self, place: int, time_ms: int) -> Shown:
        """At a moment within a run. A fast run's energy is its own time's by its speed: what a ledger can believe."""
        import_mwh = export_mwh = power_mw = 0
        for run, own_ms in self._begins:
            if run.begins_ms > time_ms:
                break
            passed_ms = min(time_ms, run.ends_ms) - run.begins_ms
            at_first = self._houses.shown(place, own_ms)
            at_last = self._houses.shown(place, own_ms + passed_ms * run.speed)
            import_mwh += (at_last.import_mwh - at_first.import_mwh) // run.speed
            export_mwh += (at_last.export_mwh - at_first.export_mwh) // run.speed
            power_mw = at_last.power_mw
        return Shown(import_mwh, export_mwh, power_mw)


def _day(chance: Random) -> _Day:
    turn = chance.randrange(-2, 3)
    load_w = [_LOAD_W[(hour + turn) % 24] * chance.randint(80, 120) // 100 for hour in range(24)]
    peak_w = chance.randint(1_000, 4_000) if chance.randrange(3) == 0 else 0
    return _Day([load_w[hour] - peak_w * _SUN_OF_A_THOUSAND[hour] // 1_000 for hour in range(24)])


def _sums(hours: Sequence[int]) -> tuple[int, ...]:
    found = [0]
    for one in hours:
        found.append(found[-1] + one)
    return tuple(found)


def _mwh(sums: Sequence[int], since_ms: int) -> int:
    days, rest_ms = divmod(since_ms, DAY_MS)
    hour, rest_ms = divmod(rest_ms, HOUR_MS)
    whole = days * sums[-1] + sums[hour]
    return whole * _MWH_PER_WH + (sums[hour + 1] - sums[hour]) * rest_ms * _MWH_PER_WH // HOUR_MS
