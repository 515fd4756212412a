"""Readings into buckets: exact in sum, whatever the order they come in, whatever the zone does."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode import calendar
from gateway.readmodel.changes import Batch, Correction, Decision, Metered
from gateway.readmodel.series import Device, Ground, Series, corrected
from gateway.readmodel.zones import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    QUARTER_MS,
    Change,
    Span,
    Zone,
    bucket_ms,
    day_start_ms,
    offset_ms,
    read_zone,
)
from gateway.readmodel.zones import (
    UTC as UTC_ZONE,
)

BERLIN = Zone("Europe/Berlin", 60, 120, Change(3, 5, 6, 60, True), Change(10, 5, 6, 60, True))
NEW_YORK = Zone("America/New_York", -300, -240, Change(3, 2, 6, 120, False), Change(11, 1, 6, 120, False))
SYDNEY = Zone("Australia/Sydney", 600, 660, Change(10, 1, 6, 120, False), Change(4, 1, 6, 180, False))
KATHMANDU = Zone("Asia/Kathmandu", 345)
ZONES = (BERLIN, NEW_YORK, SYDNEY, KATHMANDU)
MODULUS = 10**9
START_MS = 1_774_000_000_000 - 1_774_000_000_000 % DAY_MS
DEVICE = Device(MODULUS, START_MS, 1_000, 0)


def batch(rows: list[list[int]], **facts: object) -> Batch:
    values: dict[str, object] = {"held": 0, "ignored": 0, "last_ms": rows[-1][1], "height": 1, "position": 0, **facts}
    return Batch("m", "north:p", rows, None, "d", **values)  # type: ignore[arg-type]


def taken(series: Series, told: list[Metered], ground: Ground) -> Counter[tuple[int, int, str]]:
    """All gains together."""
    sums: Counter[tuple[int, int, str]] = Counter()
    for each in told:
        for (span, from_ms), delta in series.take(each, ground).items():
            for name, value in msgspec.structs.asdict(delta).items():
                sums[span, from_ms, name] += value
    return Counter({key: value for key, value in sums.items() if value})


def total(sums: Counter[tuple[int, int, str]], span: Span, name: str = "import_mwh") -> int:
    return sum(value for (of, _, what), value in sums.items() if of == span and what == name)


@given(seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES))
@settings(max_examples=60, deadline=None)
def test_order_leaves_no_trace(seed: int, zone: Zone) -> None:
    """Late readings divide what was drawn straight: in the end each bucket is as if all had come in order."""
    draw = random.Random(seed)
    ground = Ground(zone, QUARTER_MS)
    rows, at_ms, register = [], START_MS, 1_000
    for sequence in range(draw.randrange(2, 40)):
        at_ms += draw.choice((5_000, 60_000, 61_001, QUARTER_MS, 3 * HOUR_MS, 26 * HOUR_MS))
        register += draw.randrange(10**6)
        rows.append([sequence, at_ms, register, 7 * sequence, 0])
    cut = sorted(draw.sample(range(1, len(rows)), draw.randrange(len(rows) - 1)))
    batches: list[Metered] = [batch(rows[first:last]) for first, last in zip([0, *cut], [*cut, len(rows)], strict=True)]
    in_order = taken(Series(DEVICE, []), batches, ground)
    draw.shuffle(batches)
    assert taken(Series(DEVICE, []), batches, ground) == in_order
    assert taken(Series(DEVICE, []), [batch(rows)], ground) == in_order
    for span in tuple(Span)[1:]:
        assert total(in_order, span) == rows[-1][2] - 1_000
        assert total(in_order, span, "export_mwh") == rows[-1][3]
    known_ms = sum(total(in_order, Span.DAY, name) for name in ("measured_ms", "gateway_ms", "estimated_ms"))
    assert known_ms == rows[-1][1] - START_MS


def test_same_batch_again_changes_nothing() -> None:
    series, ground = Series(DEVICE, []), Ground(UTC_ZONE, QUARTER_MS)
    told = batch([[1, START_MS + 5_000, 1_500, 0, 0]])
    assert taken(series, [told], ground)
    assert not taken(series, [told], ground)


def test_rejected_and_accepted_readings_move_their_energy_exactly() -> None:
    """A reading that staff reject is as if it had never come; accepted again, as if it had never been rejected."""
    ground = Ground(BERLIN, QUARTER_MS)
    rows = [[n, START_MS + n * MINUTE_MS, 1_000 + n * n * 997, 0, 0] for n in range(1, 30)]
    series = Series(DEVICE, [])
    sums = taken(series, [batch(rows)], ground)
    without = taken(Series(DEVICE, []), [batch([row for row in rows if row[0] != 11])], ground)

    def decide(decision: str) -> None:
        sums.update(taken(series, [Decision("m", "north:p", rows[10][1], decision, 2, 0)], ground))

    before = +sums
    decide("reject")
    assert {key: value for key, value in sums.items() if value} == without
    decide("accept")
    assert +sums == before


def test_held_readings_count_when_the_ledger_believes_a_later_one() -> None:
    """Which of a batch are held is not told: its last believed one counts, and the sum is the ledger's."""
    ground = Ground(UTC_ZONE, QUARTER_MS)
    series = Series(DEVICE, [])
    odd = batch([[1, START_MS + 5_000, 999_999_999, 0, 0], [2, START_MS + 9_000, 1_400, 0, 0]], held=1)
    sums = taken(series, [odd], ground)
    assert total(sums, Span.HOUR) == 400
    assert [series.readings[time].state for time in sorted(series.readings)] == ["h", "a"]


def test_reset_and_rollover() -> None:
    """Across a reset nothing is computed; a register that rolls over goes once round."""
    ground = Ground(UTC_ZONE, QUARTER_MS)
    first, second, third = START_MS + 5_000, START_MS + 10_000, START_MS + 15_000
    rows = [[1, first, MODULUS - 10, 0, 0], [2, second, 20, 0, 0], [3, third, 5, 0, 8]]
    told = batch(rows, rollovers=(second,), resets=(third,))
    sums = taken(Series(DEVICE, []), [told], ground)
    assert total(sums, Span.DAY) == MODULUS - 10 - 1_000 + 30


def test_final_registers_end_a_meter() -> None:
    device = msgspec.structs.replace(DEVICE, removed_ms=START_MS + HOUR_MS, final_import_mwh=5_000)
    told: list[Metered] = [
        batch([[1, START_MS + QUARTER_MS, 2_000, 0, 0]]),
        Decision("m", "north:p", START_MS + HOUR_MS, "final", 3, 0),
        batch([[2, START_MS + 2 * HOUR_MS, 9_000, 0, 0]], ignored=1),
    ]
    sums = taken(Series(device, []), told, Ground(UTC_ZONE, QUARTER_MS))
    assert total(sums, Span.MONTH) == 4_000


def test_correction_counts_once() -> None:
    told = Correction("north:p", START_MS + QUARTER_MS, 500, -20, 1, 0)
    gained = corrected(told, BERLIN)
    assert {span for span, _ in gained} == {2, 3, 4, 5}
    assert all((delta.import_mwh, delta.export_mwh) == (500, -20) for delta in gained.values())


# ---------------------------------------------------------------- zones


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.name)
@given(minutes=st.integers(0, 60 * 366 * 24 * 60))
@settings(max_examples=200, deadline=None)
def test_local_time_is_the_clock_on_the_wall(zone: Zone, minutes: int) -> None:
    """From 2008 on the published zones keep these rules; the tables of the world know the same."""
    time_ms = 1_230_000_000_000 + minutes * MINUTE_MS % (20 * 365 * DAY_MS)
    wall = datetime.fromtimestamp(time_ms / 1_000, UTC).astimezone(ZoneInfo(zone.name))
    offset = wall.utcoffset()
    assert offset is not None
    assert offset_ms(zone, time_ms) == int(offset.total_seconds()) * 1_000
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    assert bucket_ms(zone, Span.DAY, time_ms) == int(day.timestamp()) * 1_000
    assert bucket_ms(zone, Span.MONTH, time_ms) == int(day.replace(day=1).timestamp()) * 1_000
    assert bucket_ms(zone, Span.HOUR, time_ms) <= time_ms < bucket_ms(zone, Span.HOUR, time_ms) + HOUR_MS


def test_days_on_which_the_clock_changes_have_23_and_25_hours() -> None:
    for year, month, day, hours in ((2026, 3, 29, 23), (2026, 10, 25, 25), (2026, 7, 1, 24)):
        number = calendar.day_number(year, month, day)
        assert day_start_ms(BERLIN, number + 1) - day_start_ms(BERLIN, number) == hours * HOUR_MS
        starts = {
            bucket_ms(BERLIN, Span.HOUR, day_start_ms(BERLIN, number) + minute * MINUTE_MS)
            for minute in range(hours * 60)
        }
        assert len(starts) == hours


def test_zones_are_read_as_the_ledger_has_them() -> None:
    """Our calendar and the contracts' agree."""
    zone = calendar.CENTRAL_EUROPE
    ours = read_zone(msgspec.json.encode(msgspec.to_builtins(zone)).decode())
    for hour in range(0, 24 * 366 * 2, 5):
        time_ms = START_MS + hour * HOUR_MS
        assert offset_ms(ours, time_ms) == calendar.offset_minutes(zone, time_ms) * MINUTE_MS
        assert bucket_ms(ours, Span.DAY, time_ms) == calendar.local_day_start_ms(
            zone, calendar.local_day(zone, time_ms)
        )
