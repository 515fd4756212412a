"""Registers that start again, duplicates and delays become rows that only grow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.cycles import COLUMN_SETS, NEW_CYCLE, Counter, Row, counted
from gateway.edge.observed import LARGEST, Observed
from ledgernode.errors import ReadingInvalid

MINUTE_MS = 60_000
KWH = 1_000_000


def shown(*registers_mwh: int, every_ms: int = 0) -> list[tuple[int, ...]]:
    """The rows of a device that shows these, a minute apart."""
    counter, rows = Counter(), []
    for minute, register_mwh in enumerate(registers_mwh, 1):
        counter, row = counted(counter, Observed("c", register_mwh), minute * MINUTE_MS, every_ms)
        if row is not None:
            rows.append(row.numbers)
    return rows


def imports(*registers_mwh: int) -> list[int]:
    return [row[2] for row in shown(*registers_mwh)]


def test_a_register_that_grows_is_taken_as_it_is() -> None:
    assert shown(5 * KWH, 6 * KWH) == [(0, MINUTE_MS, 5 * KWH, 0, 0), (1, 2 * MINUTE_MS, 6 * KWH, 0, 0)]


def test_a_counter_that_begins_again_goes_on_from_where_it_was_and_says_so() -> None:
    """Never -500 kWh, and never 500 kWh at once."""
    rows = shown(500 * KWH, 2 * KWH, 3 * KWH)
    assert [row[2] for row in rows] == [500 * KWH, 502 * KWH, 503 * KWH]
    assert [row[4] for row in rows] == [0, NEW_CYCLE, 0]


def test_an_old_message_is_no_new_cycle() -> None:
    """Twice by QoS 1, or held up: dropped, and the next one counts."""
    assert imports(100 * KWH, 101 * KWH, 100 * KWH, 102 * KWH) == [100 * KWH, 101 * KWH, 102 * KWH]
    assert imports(100 * KWH, 101 * KWH, 99 * KWH, 102 * KWH) == [100 * KWH, 101 * KWH, 102 * KWH]


def test_an_old_message_after_a_new_cycle_is_no_leap() -> None:
    assert imports(500 * KWH, 1 * KWH, 500 * KWH, 2 * KWH) == [500 * KWH, 501 * KWH, 502 * KWH]


def test_a_row_each_so_often_and_none_of_the_energy_is_lost() -> None:
    """A device that speaks every minute, heard every five; a reset in between is still flagged."""
    rows = shown(10, 20, 30, 5, 15, 25, 35, every_ms=5 * MINUTE_MS)
    assert rows == [(0, MINUTE_MS, 10, 0, 0), (1, 6 * MINUTE_MS, 55, 0, NEW_CYCLE)]


def test_a_time_of_its_own_that_is_not_later_is_dropped() -> None:
    counter, first = counted(Counter(), Observed("c", 1, time_ms=2_000), 9_000, 0)
    assert first is not None
    assert counted(counter, Observed("c", 2, time_ms=2_000), 9_100, 0) == (counter, None)
    assert counted(counter, Observed("c", 2, time_ms=1_000), 9_100, 0) == (counter, None)


def test_a_clock_ahead_of_ours_is_refused() -> None:
    with pytest.raises(ReadingInvalid):
        counted(Counter(), Observed("c", 1, time_ms=MINUTE_MS + 10_001), 10_000, 0)


def test_import_and_export_may_come_apart() -> None:
    counter, _ = counted(Counter(), Observed("c", import_mwh=5), 1_000, 0)
    counter, row = counted(counter, Observed("c", export_mwh=7), 2_000, 0)
    assert row == Row((1, 2_000, 5, 7, 0), ())


def test_columns_are_named_and_their_sets_are_bounded() -> None:
    """The ledger keeps few sets of columns of a meter: a device that says something else each time gets none."""
    counter = Counter()
    for number in range(COLUMN_SETS + 2):
        seen = Observed("c", number, values={f"x{number}_mv": number, "power_mw": 3})
        counter, row = counted(counter, seen, number * 1_000, 0)
        assert row is not None
        assert len(row.columns) == (2 if number < COLUMN_SETS else 0)
        assert len(row.numbers) == 5 + len(row.columns)
    assert row.numbers[2] == COLUMN_SETS + 1


@given(st.lists(st.tuples(st.integers(0, 5 * KWH), st.integers(0, 120_000)), max_size=60))
def test_whatever_a_device_shows_rows_follow_one_another(looks: list[tuple[int, int]]) -> None:
    """Sequence and time grow, registers never fall, and a register moves by no more than was shown."""
    counter, last, now_ms, most = Counter(), (-1, -1, 0), 0, 0
    for register_mwh, pause_ms in looks:
        now_ms += pause_ms
        most += register_mwh
        counter, row = counted(counter, Observed("c", register_mwh), now_ms, 30_000)
        if row is not None:
            sequence, time_ms, import_mwh, _, _ = row.numbers
            assert (sequence, time_ms > last[1], import_mwh >= last[2]) == (last[0] + 1, True, True)
            assert import_mwh <= most
            last = (sequence, time_ms, import_mwh)


def test_a_true_register_survives_resets_delays_and_duplicates() -> None:
    """Of a device that is restarted, repeats itself and is sometimes late, no more is lost than was used unseen."""
    for seed in range(100):
        chance = random.Random(seed)
        true_mwh, cycle_mwh, unseen_mwh, since_told = 0, 0, 0, 0
        counter, last = Counter(), 0
        said: list[int] = []
        for minute in range(1, 300):
            used = chance.randrange(1, 5_000)
            true_mwh, cycle_mwh, since_told = true_mwh + used, cycle_mwh + used, since_told + used
            if chance.random() < 0.02:
                unseen_mwh += since_told
                cycle_mwh = since_told = 0
                continue
            register = chance.choice(said[-5:]) if said and chance.random() < 0.1 else cycle_mwh
            counter, row = counted(counter, Observed("c", register), minute * MINUTE_MS, 0)
            if register == cycle_mwh:
                since_told = 0
                said.append(register)
            if row is not None:
                last = row.numbers[2]
        assert last <= true_mwh <= LARGEST
        assert true_mwh - last <= unseen_mwh + 50_000, f"seed {seed}"
