"""Houses from measured files: what their registers show sums to what the files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devices.fleet.measured import MeasuredHouses, measured_houses
from devices.history.reading import read_houses
from devices.history.series import HOUR_MS, Series
from ledgernode.errors import BadRequest

FILES = Path(__file__).parents[2] / "data" / "citylearn2022"


def house(load: list[int], pv: list[int]) -> Series:
    values = (np.array(load, np.int64), np.array(pv, np.int64), np.ones(len(load), np.bool_))
    return Series("h", 0, HOUR_MS, *values)


def test_registers_sum_to_what_the_file_says_and_begin_again_at_its_end() -> None:
    houses = MeasuredHouses([house([1_000, 500, 0], [0, 2_000, 100])])
    assert houses.shown(0, HOUR_MS)[:2] == (1_000, 0)
    assert houses.shown(0, HOUR_MS + HOUR_MS // 2)[:2] == (1_000, 750)
    assert houses.shown(0, 3 * HOUR_MS)[:2] == (1_000, 1_600)
    assert houses.shown(0, 7 * HOUR_MS)[:2] == (3_000, 3_200)
    assert houses.shown(0, HOUR_MS)[2] == -1_500


def test_more_meters_than_houses_take_after_them_each_by_a_part_of_its_own() -> None:
    houses = MeasuredHouses([house([1_000], [0]), house([500], [0])])
    assert [houses.shown(place, HOUR_MS).import_mwh for place in range(6)] == [1_000, 500, 900, 450, 1_100, 550]


def test_registers_of_a_real_year_never_go_back_and_reach_its_sums() -> None:
    (found, *_) = read_houses([FILES / "Building_1.csv"])
    houses = measured_houses([str(FILES / "Building_1.csv")])
    shown = [houses.shown(0, quarter * HOUR_MS // 4) for quarter in range(0, 4 * len(found), 7)]
    assert shown == sorted(shown, key=lambda one: one.import_mwh)
    assert shown == sorted(shown, key=lambda one: one.export_mwh)
    last = houses.shown(0, len(found) * HOUR_MS)
    assert last.import_mwh - last.export_mwh == int(found.load_mwh.sum() - found.pv_mwh.sum())


def test_files_without_a_house_are_refused() -> None:
    with pytest.raises(BadRequest):
        MeasuredHouses([])
