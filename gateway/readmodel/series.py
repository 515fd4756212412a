"""Readings of one meter, and what they come to in buckets of time: a function of the set, not of the order.

A register only counts up. Between two readings that are believed it is taken for a straight line, rounded down at
each boundary: pieces sum to the difference, and a reading that comes later merely divides them anew. So a change is
always the same step: take out the segments that were, put in those that are, and tell each bucket the difference.

Minutes are told of readings that follow each other within five minutes; of others nothing is known as fine as that,
and the smallest bucket they count in is a quarter of an hour.

States of a reading: a believed; o believed, and a register has rolled over; z believed, and a register began anew; r
rejected by two of the staff; h held, or not known to be believed. The ledger says of a batch how many readings it
holds, and which is the last it believes, but not which it holds: of such a batch only that last one counts here until
a later event names another. Sums stay right; only the course between the two readings is drawn straight.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from gateway.readmodel.changes import Batch, Correction, Decision, Metered
from gateway.readmodel.zones import DAY_MS, MINUTE_MS, QUARTER_MS, Span, Zone, bucket_ms

BELIEVED: Final = "aoz"
HELD: Final = "h"
LONGEST_SPREAD_MS: Final = 60 * DAY_MS
FINE_MS: Final = 5 * MINUTE_MS
STANDARD_COLUMNS: Final = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")
_FIXED: Final = 5
_FINAL_ITEM: Final = -1
_DEVICE: Final = "d"
_GATEWAY: Final = "g"


class Device(msgspec.Struct, frozen=True):
    """What the registry says of a meter: where its registers began and ended, and when they begin anew."""

    modulus_mwh: int
    installed_ms: int
    import_mwh: int
    export_mwh: int
    removed_ms: int = 0
    final_import_mwh: int = 0
    final_export_mwh: int = 0


class Reading(msgspec.Struct):
    """One row, and what became of it."""

    time_ms: int
    sequence: int
    import_mwh: int
    export_mwh: int
    flags: int
    state: str
    origin: str
    item: int
    height: int
    position: int
    columns: tuple[str, ...] | None = None
    values: tuple[int, ...] = ()


class Delta(msgspec.Struct):
    """What a bucket gains."""

    import_mwh: int = 0
    export_mwh: int = 0
    measured_ms: int = 0
    gateway_ms: int = 0
    estimated_ms: int = 0

    def is_nothing(self) -> bool:
        return not (self.import_mwh or self.export_mwh or self.measured_ms or self.gateway_ms or self.estimated_ms)


Bucket = tuple[int, int]
"""(span, first instant)"""


class Ground(msgspec.Struct, frozen=True):
    """What holds of a point: its utility's zone, the ledger's interval."""

    zone: Zone
    interval_ms: int


def touched(told: Iterable[Metered]) -> tuple[int, int]:
    """The first and last time that these can change a reading of."""
    times: list[int] = []
    for each in told:
        if isinstance(each, Batch):
            times += (each.rows[0][1], each.rows[-1][1])
            if each.held and each.last_ms:
                times.append(each.last_ms)
        else:
            times.append(each.time_ms)
    return min(times), max(times)


class Series:
    """A meter's readings around what is told of it: all from the first to the last time touched, and the next believed
    one on either side. `changed` are those that are new or have another state."""

    def __init__(self, device: Device | None, readings: Iterable[Reading]) -> None:
        self.device = device
        self.readings = {reading.time_ms: reading for reading in readings}
        self.believed = sorted(time for time, reading in self.readings.items() if reading.state in BELIEVED)
        self.changed: dict[int, Reading] = {}

    @property
    def last(self) -> Reading | None:
        return self.readings[self.believed[-1]] if self.believed else None

    def take(self, told: Metered, ground: Ground) -> dict[Bucket, Delta]:
        """Take in what was told; what each bucket gains by it."""
        first, last = touched((told,))
        before = self._segments(first, last)
        if isinstance(told, Batch):
            self._batch(told)
        else:
            self._decision(told)
        after = self._segments(first, last)
        common = set(before) & set(after)
        fine: dict[int, Delta] = {}
        coarse: dict[int, Delta] = {}
        for segments, sign in ((before, -1), (after, 1)):
            for segment in segments:
                if segment in common:
                    continue
                if segment.until_ms - segment.from_ms <= FINE_MS:
                    _put(fine, segment, sign, ground.interval_ms, MINUTE_MS)
                else:
                    _put(coarse, segment, sign, ground.interval_ms, step_ms(ground.zone))
        return rolled_up(fine, coarse, ground.zone)

    # ------------------------------------------------------------ readings

    def _batch(self, told: Batch) -> None:
        outside = self._outside(told)
        for item, row in enumerate(told.rows):
            time_ms = row[1]
            if time_ms in self.readings or time_ms in told.conflicts or time_ms in outside:
                continue
            state = HELD if told.held and time_ms != told.last_ms else "a"
            if time_ms in told.resets:
                state = "z"
            elif time_ms in told.rollovers:
                state = "o"
            self._set(
                Reading(
                    time_ms=time_ms,
                    sequence=row[0],
                    import_mwh=row[2],
                    export_mwh=row[3],
                    flags=row[4],
                    state=state,
                    origin=told.origin,
                    item=item,
                    height=told.height,
                    position=told.position,
                    columns=told.columns,
                    values=tuple(row[_FIXED:]),
                )
            )
        found = self.readings.get(told.last_ms)
        if told.held and found is not None and found.state == HELD:
            self._judge(found, "a")

    def _outside(self, told: Batch) -> set[int]:
        """Times before the meter was hung, or after it was removed, of which there are as many as were ignored."""
        if not told.ignored or self.device is None:
            return set()
        times = [row[1] for row in told.rows]
        early = [time for time in times if time <= self.device.installed_ms]
        late = [time for time in times if time > self.device.removed_ms] if self.device.removed_ms else []
        return set(early if len(early) >= told.ignored else early + late)

    def _decision(self, told: Decision) -> None:
        if told.decision == "final":
            self._final(told)
            return
        found = self.readings.get(told.time_ms)
        if found is None:
            return
        if told.decision == "believed":
            if found.state == HELD:
                self._judge(found, "a")
            return
        state = {"accept": "a", "reset": "z", "reject": "r"}[told.decision]
        at = bisect_left(self.believed, told.time_ms)
        if state == "a" and at:
            before = self.readings[self.believed[at - 1]]
            if found.import_mwh < before.import_mwh or found.export_mwh < before.export_mwh:
                state = "z"
        self._judge(found, state)

    def _final(self, told: Decision) -> None:
        device = self.device
        if device is None or told.time_ms in self.readings:
            return
        self._set(
            Reading(
                time_ms=told.time_ms,
                sequence=0,
                import_mwh=device.final_import_mwh,
                export_mwh=device.final_export_mwh,
                flags=0,
                state="a",
                origin=_GATEWAY,
                item=_FINAL_ITEM,
                height=told.height,
                position=told.position,
            )
        )

    def _set(self, reading: Reading) -> None:
        self.readings[reading.time_ms] = self.changed[reading.time_ms] = reading
        if reading.state in BELIEVED:
            insort(self.believed, reading.time_ms)

    def _judge(self, reading: Reading, state: str) -> None:
        was, now = reading.state in BELIEVED, state in BELIEVED
        reading.state = state
        self.changed[reading.time_ms] = reading
        if now and not was:
            insort(self.believed, reading.time_ms)
        elif was and not now:
            self.believed.remove(reading.time_ms)

    # ------------------------------------------------------------ segments

    def _segments(self, first_ms: int, last_ms: int) -> list[Segment]:
        """From the last believed reading before a time to the first one after another."""
        begin = max(bisect_left(self.believed, first_ms) - 1, 0)
        end = bisect_left(self.believed, last_ms + 1) + 1
        chain = [self.readings[time] for time in self.believed[begin:end]]
        if self.device is not None and chain and chain[0].time_ms >= first_ms:
            chain.insert(0, _installation(self.device))
        modulus = self.device.modulus_mwh if self.device else 0
        return [_between(one, other, modulus) for one, other in pairwise(chain)]


class Segment(msgspec.Struct, frozen=True):
    """What was used between two believed readings; `origin`: d device, g gateway or staff, e estimated."""

    from_ms: int
    until_ms: int
    import_mwh: int
    export_mwh: int
    origin: str


def _installation(device: Device) -> Reading:
    return Reading(
        time_ms=device.installed_ms,
        sequence=0,
        import_mwh=device.import_mwh,
        export_mwh=device.export_mwh,
        flags=0,
        state="a",
        origin=_DEVICE,
        item=_FINAL_ITEM,
        height=0,
        position=0,
    )


def _between(one: Reading, other: Reading, modulus_mwh: int) -> Segment:
    """Nothing across a reset; once round where a register is lower than before."""
    if other.state == "z":
        return Segment(one.time_ms, other.time_ms, 0, 0, "e")
    imported, exported = other.import_mwh - one.import_mwh, other.export_mwh - one.export_mwh
    if modulus_mwh:
        imported, exported = imported % modulus_mwh, exported % modulus_mwh
    origin = _DEVICE if one.origin == _DEVICE and other.origin == _DEVICE else _GATEWAY
    return Segment(one.time_ms, other.time_ms, imported, exported, origin)


def step_ms(zone: Zone) -> int:
    """What long segments are cut by: quarters of an hour, where the zone's own begin with those of UTC."""
    offsets = zone.standard_minutes, zone.summer_minutes
    return MINUTE_MS if any(minutes * MINUTE_MS % QUARTER_MS for minutes in offsets) else QUARTER_MS


def _put(cuts: dict[int, Delta], segment: Segment, sign: int, interval_ms: int, step: int) -> None:
    """Add a segment to the steps of time it touches, or (sign -1) take it out again."""
    origin = segment.origin
    length_ms = segment.until_ms - segment.from_ms
    if 2 * length_ms > 3 * interval_ms:
        origin = "e"
    for cut_ms, part_ms, imported, exported in _pieces(segment, step):
        delta = cuts.get(cut_ms)
        if delta is None:
            delta = cuts[cut_ms] = Delta()
        delta.import_mwh += sign * imported
        delta.export_mwh += sign * exported
        if origin == _DEVICE:
            delta.measured_ms += sign * part_ms
        elif origin == _GATEWAY:
            delta.gateway_ms += sign * part_ms
        else:
            delta.estimated_ms += sign * part_ms


def _pieces(segment: Segment, step: int) -> Iterator[tuple[int, int, int, int]]:
    """A segment cut at steps of time: (step, ms of it, imported, exported), exact in sum; at most its last 60 days."""
    from_ms, until_ms = max(segment.from_ms, segment.until_ms - LONGEST_SPREAD_MS), segment.until_ms
    length_ms = until_ms - from_ms
    cut_ms = from_ms - from_ms % step
    done_ms = imported = exported = 0
    while done_ms < length_ms:
        to_ms = min(cut_ms + step, until_ms) - from_ms
        import_to = segment.import_mwh * to_ms // length_ms
        export_to = segment.export_mwh * to_ms // length_ms
        yield cut_ms, to_ms - done_ms, import_to - imported, export_to - exported
        done_ms, imported, exported = to_ms, import_to, export_to
        cut_ms += step


def rolled_up(fine: dict[int, Delta], coarse: dict[int, Delta], zone: Zone) -> dict[Bucket, Delta]:
    """Minutes, quarters, and all longer spans they lie in; without those that gain nothing."""
    buckets: dict[Bucket, Delta] = {}
    for cuts, spans in ((fine, tuple(Span)), (coarse, tuple(Span)[1:])):
        for cut_ms, gained in cuts.items():
            if gained.is_nothing():
                continue
            for span in spans:
                key = int(span), bucket_ms(zone, span, cut_ms)
                delta = buckets.get(key)
                if delta is None:
                    delta = buckets[key] = Delta()
                delta.import_mwh += gained.import_mwh
                delta.export_mwh += gained.export_mwh
                delta.measured_ms += gained.measured_ms
                delta.gateway_ms += gained.gateway_ms
                delta.estimated_ms += gained.estimated_ms
    return {key: delta for key, delta in buckets.items() if not delta.is_nothing()}


def corrected(told: Correction, zone: Zone) -> dict[Bucket, Delta]:
    """A correction counts in the first quarter of its interval."""
    cut_ms = told.time_ms - told.time_ms % step_ms(zone)
    return rolled_up({}, {cut_ms: Delta(told.import_mwh, told.export_mwh)}, zone)
