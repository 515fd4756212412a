"""Alarm: what is wrong, said once when it has lasted, and once when it is over.

    over_voltage, under_voltage   outside of the band, 10 % of nominal (EN 50160), on any phase
    overload                      more through the connection than it is made for
    silent                        a source that should speak has not for a while
    strategy_astray               orders refused one after the other, a price or an amount beyond what the owner set,
                                  a battery that is further from its plan each time
    level_low                     a battery below its reserve, which only a fault does

Each opens after its condition held for `hold_ms` and closes when it has not held for as long, with a hysteresis for
measured values, so that a value at its limit does not ring all day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from devices.house.agent.collect import Collected

METER: Final = "meter"
BATTERY: Final = "battery"
MICRO: Final = 1_000_000


class Limits(msgspec.Struct, frozen=True):
    """What is normal."""

    nominal_mv: int = 230_000
    band_micro: int = 100_000
    hysteresis_micro: int = 5_000
    connection_w: int = 8_000
    reserve_micro: int = 50_000
    silent_ms: int = 180_000
    sources: tuple[str, ...] = (METER,)
    """Those that should speak."""
    hold_ms: int = 10_000
    refusals: int = 3
    """Orders refused in a row, of a strategy that went astray."""


class Key(NamedTuple):
    kind: str
    what: str = ""


class Rung(NamedTuple):
    """An alarm that opened or closed."""

    kind: str
    what: str
    opened: bool
    value: int


class Since(msgspec.Struct, frozen=True):
    """An alarm: whether it is open, and since when it is the other way round (None: as it should)."""

    open: bool = False
    other_ms: int | None = None


class Alarms(msgspec.Struct, frozen=True):
    standing: Mapping[Key, Since] = {}

    @property
    def open(self) -> tuple[Key, ...]:
        return tuple(sorted(key for key, since in self.standing.items() if since.open))


def judged(
    limits: Limits, alarms: Alarms, collected: Collected, now_ms: int, astray: Iterable[tuple[str, bool]] = ()
) -> tuple[Alarms, tuple[Rung, ...]]:
    """Alarms as they stand now, and which changed."""
    standing, rung = dict(alarms.standing), []
    for key, (value, is_wrong, is_right) in sorted(_found(limits, collected, now_ms, astray).items()):
        before = standing.get(key, Since())
        turning = is_right if before.open else is_wrong
        if not turning:
            standing[key] = Since(before.open)
            continue
        other_ms = now_ms if before.other_ms is None else before.other_ms
        if now_ms - other_ms < limits.hold_ms:
            standing[key] = Since(before.open, other_ms)
            continue
        standing[key] = Since(not before.open)
        rung.append(Rung(key.kind, key.what, not before.open, value))
    return Alarms({key: since for key, since in standing.items() if since != Since()}), tuple(rung)


def _found(
    limits: Limits, collected: Collected, now_ms: int, astray: Iterable[tuple[str, bool]]
) -> dict[Key, tuple[int, bool, bool]]:
    """By alarm: its value, whether it is wrong, and whether it is clearly right."""
    found: dict[Key, tuple[int, bool, bool]] = {}
    high_mv = limits.nominal_mv + limits.nominal_mv * limits.band_micro // MICRO
    low_mv = limits.nominal_mv - limits.nominal_mv * limits.band_micro // MICRO
    back_mv = limits.nominal_mv * limits.hysteresis_micro // MICRO
    meter = collected.sources.get(METER)
    values = meter.values if meter else {}
    for name, value in values.items():
        if name.startswith("voltage_mv"):
            found[Key("over_voltage", name)] = (value, value > high_mv, value <= high_mv - back_mv)
            found[Key("under_voltage", name)] = (value, value < low_mv, value >= low_mv + back_mv)
    power_w = abs(values.get("power_mw", 0)) // 1_000
    most_w = limits.connection_w
    found[Key("overload")] = (power_w, power_w > most_w, power_w <= most_w - most_w * limits.hysteresis_micro // MICRO)
    if BATTERY in collected.sources:
        level = collected.value(BATTERY, "level_micro")
        found[Key("level_low")] = (level, level < limits.reserve_micro, level >= limits.reserve_micro)
    for source in limits.sources:
        silent_ms = collected.silent_ms(source, now_ms)
        is_silent = silent_ms is None or silent_ms > limits.silent_ms
        found[Key("silent", source)] = (silent_ms or 0, is_silent, not is_silent)
    for why, is_astray in astray:
        found[Key("strategy_astray", why)] = (0, is_astray, not is_astray)
    return found
