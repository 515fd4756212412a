"""Export: what was logged, as lines that a time-series store takes, and how one that refuses or is away is met.

    home,house=north:h1,source=meter power_mw=400000i,voltage_mv=230100i 1767225600000000000
    happened,house=north:h1,kind=alarm text="over_voltage voltage_mv opened at 260000" 1767225600000000000

InfluxDB's line protocol: its own stores, VictoriaMetrics, QuestDB and Telegraf read it. The same line twice is one
point there, for a point is known by its series (what stands before the first free space) and its time; so sending again
what may have arrived doubles nothing. What happened twice in a millisecond differs in its nanoseconds.

    2xx        taken
    400, 422   something in it cannot be: halves are tried, down to the one line group that is set aside
    413        too much at once: likewise
    else       away, or not let in: again, after 1 s to 60 s
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from devices.house.agent.log import Happening, Sample

MOST: Final = 200
"""Records of one request."""
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 60_000
CHARACTERS: Final = 200
_NS: Final = 1_000_000
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_SPECIAL: Final = re.compile(r"([,= ])")
_TOO_MUCH: Final = frozenset({400, 413, 422})


def sample_lines(house: str, samples: Iterable[Sample]) -> bytes:
    """A line for each source and time."""
    found = []
    for (time_ms, source), group in groupby(samples, key=lambda sample: (sample.time_ms, sample.source)):
        fields = ",".join(f"{_name(sample.name)}={sample.value}i" for sample in group)
        found.append(f"home,house={_name(house)},source={_name(source)} {fields} {time_ms * _NS}\n")
    return "".join(found).encode()


def happening_lines(
    house: str, happenings: Iterable[Happening], last_ns: Mapping[str, int]
) -> tuple[bytes, dict[str, int]]:
    """A line for each, and when each kind happened last: no two of a kind at one time."""
    found, last = [], dict(last_ns)
    for each in happenings:
        last[each.kind] = at_ns = max(each.time_ms * _NS, last.get(each.kind, -1) + 1)
        found.append(f"happened,house={_name(house)},kind={_name(each.kind)} text={_text(each.text)} {at_ns}\n")
    return "".join(found).encode(), last


class Sending(msgspec.Struct, frozen=True):
    """How many records the next request takes, and not before when."""

    records: int = MOST
    pause_ms: int = 0
    again_ms: int = 0


class Verdict(NamedTuple):
    """What becomes of the records of a request: so many of its first ones are done with, taken or set aside."""

    sending: Sending
    taken: int = 0
    set_aside: int = 0


def answered(sending: Sending, count: int, status: int | None, now_ms: int) -> Verdict:
    """What a sink's answer to so many records means; None where there was none."""
    assert count > 0
    if status is not None and 200 <= status < 300:
        return Verdict(Sending(min(MOST, 2 * sending.records)), taken=count)
    if status in _TOO_MUCH:
        return Verdict(Sending(), set_aside=1) if count == 1 else Verdict(Sending(count // 2))
    pause_ms = min(max(FIRST_PAUSE_MS, 2 * sending.pause_ms), LONGEST_PAUSE_MS)
    return Verdict(Sending(sending.records, pause_ms, now_ms + pause_ms))


def _name(text: str) -> str:
    """Of a tag, or of a field."""
    return _SPECIAL.sub(r"\\\1", _UNFIT.sub("_", text[:CHARACTERS])) or "_"


def _text(text: str) -> str:
    return '"' + _UNFIT.sub(" ", text[: 4 * CHARACTERS]).replace('"', '\\"') + '"'
