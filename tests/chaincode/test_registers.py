"""What two readings say about the intervals between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.registers import (
    ACCEPTED,
    BACKWARDS,
    GAP,
    IMPLAUSIBLE,
    RESET,
    RESET_FLAG,
    ROLLED_OVER,
    Limit,
    Register,
    Segment,
    between,
    judge,
    most,
    pieces,
)

HOUR_MS = 3_600_000
KWH = 1_000_000
MODULUS = 100_000 * KWH
LIMIT = Limit(from_ms=0, import_w=12_000, export_w=6_000, burst_mwh=10_000, gap_ms=45 * 24 * HOUR_MS)
LAST = Register(time_ms=0, import_mwh=99_999 * KWH, export_mwh=500 * KWH)


@pytest.mark.parametrize(
    ("import_mwh", "export_mwh", "flags", "verdict"),
    [
        (LAST.import_mwh, LAST.export_mwh, 0, ACCEPTED),
        (LAST.import_mwh + KWH - 1, LAST.export_mwh, 0, ACCEPTED),
        (LAST.import_mwh, LAST.export_mwh + 6 * KWH + 10_000, 0, ACCEPTED),
        (LAST.import_mwh, LAST.export_mwh + 6 * KWH + 10_001, 0, IMPLAUSIBLE),
        (11 * KWH, LAST.export_mwh, 0, ROLLED_OVER),
        (12 * KWH, LAST.export_mwh, 0, BACKWARDS),
        (LAST.import_mwh, LAST.export_mwh - 1, 0, BACKWARDS),
        (0, 0, RESET_FLAG, RESET),
        (5, LAST.export_mwh, RESET_FLAG | 16, RESET),
        (LAST.import_mwh, LAST.export_mwh, RESET_FLAG, ACCEPTED),
    ],
)
def test_a_reading_is_judged_after_the_last_believed_one(
    import_mwh: int, export_mwh: int, flags: int, verdict: str
) -> None:
    """Lower is a rollover if it can be one, a reset if it is flagged, else backwards; too much is implausible."""
    assert judge(LAST, HOUR_MS, import_mwh, export_mwh, flags, LIMIT, MODULUS) == verdict


def test_a_long_silence_is_for_people_to_judge() -> None:
    """After 45 days (data) a reading is held."""
    for elapsed_ms, verdict in ((LIMIT.gap_ms, ACCEPTED), (LIMIT.gap_ms + 1, GAP)):
        assert judge(LAST, elapsed_ms, LAST.import_mwh, LAST.export_mwh, 0, LIMIT, MODULUS) == verdict


def test_what_is_not_known_is_not_checked() -> None:
    """Without a rating everything up to half a round of the register can be; nothing ever goes further."""
    unknown = LIMIT.replace(import_w=0)
    assert most(0, unknown, 1, MODULUS) == MODULUS // 2
    assert most(12_000, LIMIT, 10**12, MODULUS) == MODULUS // 2
    assert most(12_000, LIMIT, HOUR_MS, MODULUS) == 12 * KWH + 10_000


def test_a_rollover_counts_on_and_a_reset_counts_nothing() -> None:
    """No use is lost at the end of the register, none is invented where it began anew."""
    now = Register(time_ms=HOUR_MS, import_mwh=2 * KWH, export_mwh=500 * KWH)
    rolled = between(LAST, now, ROLLED_OVER, MODULUS, "d")
    assert (rolled.import_mwh, rolled.export_mwh, rolled.origin) == (3 * KWH, 0, "d")
    reset = between(LAST, now, RESET, MODULUS, "d")
    assert (reset.import_mwh, reset.export_mwh, reset.origin) == (0, 0, "e")


@given(
    st.integers(0, 10**13),
    st.integers(1, 40 * HOUR_MS),
    st.integers(0, 10**12),
    st.integers(0, 10**9),
    st.sampled_from([60_000, 900_000, HOUR_MS]),
)
def test_pieces_sum_to_their_segment(
    from_ms: int, elapsed_ms: int, import_mwh: int, export_mwh: int, interval_ms: int
) -> None:
    """Whatever is cut: energy and time are all there, each piece within its interval and within a mWh of its share."""
    segment = Segment(
        from_ms=from_ms,
        until_ms=from_ms + elapsed_ms,
        import_mwh=import_mwh,
        export_mwh=export_mwh,
        origin="d",
    )
    cut = pieces(segment, interval_ms)
    numbers = [number for number, *_ in cut]
    assert numbers == list(range(from_ms // interval_ms, (from_ms + elapsed_ms - 1) // interval_ms + 1))
    assert [sum(column) for column in list(zip(*cut, strict=True))[1:]] == [elapsed_ms, import_mwh, export_mwh]
    for _, part_ms, imported, exported in cut:
        assert 0 < part_ms <= interval_ms
        assert abs(imported * elapsed_ms - import_mwh * part_ms) < 2 * elapsed_ms
        assert exported >= 0
