"""Files of measured houses: what is read, to the mWh, and what is refused, with file, line and column."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from devices.history.reading import Options, read_houses, read_prices
from devices.history.series import HOUR_MS, MINUTE_MS
from ledgernode.errors import HistoryInvalid
from tests.data import generate

DATA = Path(generate.__file__).parent
MADE = DATA / "generated"
MEASURED = DATA / "citylearn2022"

BROKEN = [
    ("unit-missing", "'load' has no unit; name it load_kwh", None, "load"),
    ("unit-of-a-power-station", "is in MWh, which no house is measured in", None, "load_MWh"),
    ("watts-called-kilowatts", "more than 100 kW for a house", 2, "load_kw"),
    ("kilowatts-called-watts", "is the unit another one", None, "load_w"),
    ("hour-twice", "2023-01-01 09:00 UTC comes twice", 12, None),
    ("between-two-hours", "does not lie on the file's grid of 60 minutes", 7, None),
    ("negative", "-0.25: it is negative", 8, "load_kwh"),
    ("infinite", "it is infinite", 8, "load_kwh"),
    ("text", "'sunny' is no number", 8, "pv_kwh"),
    ("no-time", "no column says when", None, None),
    ("no-such-day", "'2023-02-30T01:00:00Z' is no time", 3, None),
    ("no-load", "no column looks like a load", None, None),
    ("two-loads", "both look like load", None, "consumption_kwh"),
    ("short-line", "2 values under 3 headers", 10, None),
    ("only-a-header", "nothing under it", None, None),
    ("odd-step", "rows come every 7 minutes", None, None),
    ("one-row", "a single row has no step", None, None),
]


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def exact_mwh(path: Path, column: str, factor: Fraction) -> Fraction:
    """The sum of a column as the file says it."""
    with path.open() as file:
        return sum((Fraction(row[column]) for row in csv.DictReader(file)), Fraction()) * factor


def test_generated_files_are_fresh() -> None:
    """What lies in the folder is what the script makes."""
    assert {path.name: path.read_text() for path in MADE.glob("*.csv")} == generate.contents()


@pytest.mark.slow
def test_the_ten_measured_houses_are_read_to_the_mwh() -> None:
    """A year each, by name in their order; sums are the file's; prices are no house."""
    houses = read_houses([MEASURED])
    assert [house.name for house in houses] == [f"Building_{number}" for number in range(1, 11)]
    for house in houses:
        path = MEASURED / f"{house.name}.csv"
        assert (len(house), house.gaps, house.step_ms) == (8_760, 0, HOUR_MS)
        assert house.begin_ms == at("2016-07-31 23:00")
        assert abs(house.load_mwh.sum() - exact_mwh(path, "non_shiftable_load", Fraction(10**6))) <= 1
        assert abs(house.pv_mwh.sum() - exact_mwh(path, "solar_generation", Fraction(4 * 10**3))) <= 1


def test_no_prefix_of_a_series_drifts() -> None:
    """After any number of intervals the sum is within one mWh of the file's."""
    (house,) = read_houses([MEASURED / "Building_3.csv"])
    with (MEASURED / "Building_3.csv").open() as file:
        rows = [Fraction(row["non_shiftable_load"]) * 10**6 for row in csv.DictReader(file)]
    exact, reached = Fraction(), 0
    for row, energy in zip(rows, house.load_mwh.tolist(), strict=True):
        exact, reached = exact + row, reached + energy
        assert abs(exact - reached) <= 1


def test_panels_of_each_house_may_differ() -> None:
    """Installed power goes round over the houses."""
    four, eight, none = read_houses([MEASURED], Options(panels_w=(4_000, 8_000, 0)))[:3]
    (alone,) = read_houses([MEASURED / "Building_2.csv"])
    assert abs(int(eight.pv_mwh.sum()) - 2 * int(alone.pv_mwh.sum())) <= 2
    assert four.pv_mwh.any()
    assert not none.pv_mwh.any()


@pytest.mark.parametrize(
    ("name", "begin", "minutes", "count", "load_wh"),
    [
        ("hourly-kwh-leap-2024", "2024-02-27 00:00", 60, 96, Fraction(1_000)),
        ("quarterly-w-2019", "2019-06-01 00:00", 15, 288, Fraction(1, 4)),
        ("half-hourly-wh-2021", "2021-12-30 00:00", 30, 144, Fraction(1)),
        ("hourly-kw-2012", "2012-01-01 00:00", 60, 72, Fraction(1_000)),
        ("epoch-seconds-2018", "2018-07-01 00:00", 15, 96, Fraction(1, 4)),
        ("no-generation-2022", "2022-03-01 00:00", 60, 48, Fraction(1)),
    ],
)
def test_units_steps_and_names(name: str, begin: str, minutes: int, count: int, load_wh: Fraction) -> None:
    """W, kW, Wh and kWh; 15, 30 and 60 minutes; a leap day and the turn of a year are days like others."""
    (house,) = read_houses([MADE / f"{name}.csv"])
    with (MADE / f"{name}.csv").open() as file:
        column = next(csv.reader(file))[1]
    assert (house.begin_ms, house.step_ms, len(house)) == (at(begin), minutes * MINUTE_MS, count)
    assert house.gaps == 0
    assert abs(house.load_mwh.sum() - exact_mwh(MADE / f"{name}.csv", column, load_wh * 1_000)) <= 1


def test_columns_and_units_may_be_named() -> None:
    """Headers that nobody knows, once the caller says what they are."""
    columns, units = {"time": "when", "load": "used", "pv": "made"}, {"load": "Wh", "pv": "wh"}
    (house,) = read_houses([MADE / "names-of-its-own-2020.csv"], Options(columns=columns, units=units))
    assert len(house) == 72
    assert house.load_mwh.sum() > 0 < house.pv_mwh.sum()
    with pytest.raises(HistoryInvalid, match="'used', 'made'"):
        read_houses([MADE / "names-of-its-own-2020.csv"])


def test_decimal_commas_go_with_semicolons() -> None:
    """0,25 is a quarter where ; parts the values."""
    (house,) = read_houses([MADE / "semicolons-kwh-2023.csv"], Options(columns={"time": "Zeit"}))
    assert (len(house), house.gaps) == (48, 0)
    assert 10_000_000 < house.load_mwh.sum() < 40_000_000


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_a_column_may_say_whose_row_it_is(count: int) -> None:
    """Any number of houses in one file, in the order in which people count."""
    houses = read_houses([MADE / f"{count}-houses-2023.csv"])
    assert [house.name for house in houses] == [f"house-{number + 1}" for number in range(count)]
    assert len({house.begin_ms for house in houses}) == 1


@pytest.mark.parametrize(
    ("name", "begin", "count"),
    [("summer-begins-berlin-2024", "2024-03-29 23:00", 71), ("summer-ends-berlin-2024", "2024-10-25 22:00", 4 * 73)],
)
def test_summer_time_neither_loses_nor_doubles_an_hour(name: str, begin: str, count: int) -> None:
    """Three days of 71 and of 73 hours, one row after the other."""
    (house,) = read_houses([MADE / f"{name}.csv"], Options(zone="Europe/Berlin"))
    assert (house.begin_ms, len(house), house.gaps) == (at(begin), count, 0)


def test_without_its_zone_the_doubled_hour_is_refused_with_the_remedy() -> None:
    """Read as UTC the hour would come twice; the message says what to do."""
    with pytest.raises(HistoryInvalid, match=r"comes twice; where clocks were set back, say --zone"):
        read_houses([MADE / "summer-ends-berlin-2024.csv"])


def test_gaps_are_flagged_and_nothing_is_invented() -> None:
    """An empty value, a NaN and three missing rows: five intervals that are not known."""
    (house,) = read_houses([MADE / "gaps-2023.csv"])
    assert len(house) == 48
    assert np.flatnonzero(~house.known).tolist() == [7, 9, 20, 21, 22]
    assert not house.load_mwh[~house.known].any()


def test_a_file_without_times_needs_to_be_told() -> None:
    """A beginning and a step make one of it."""
    with pytest.raises(HistoryInvalid, match="say --begin and --step"):
        read_houses([MADE / "without-times.csv"])
    (house,) = read_houses([MADE / "without-times.csv"], Options(begin="2024-02-29 00:00", step_minutes=15))
    assert (house.begin_ms, house.step_ms, len(house)) == (at("2024-02-29 00:00"), 15 * MINUTE_MS, 96)


@pytest.mark.parametrize(("name", "words", "line", "column"), BROKEN)
def test_what_makes_no_sense_is_refused(name: str, words: str, line: int | None, column: str | None) -> None:
    """The message says the file and the reason; the facts say line and column where there is one."""
    with pytest.raises(HistoryInvalid) as refused:
        read_houses([MADE / f"broken-{name}.csv"])
    assert words in str(refused.value)
    assert f"broken-{name}.csv" in str(refused.value)
    assert refused.value.facts.get("line") == line
    assert refused.value.facts.get("column") == column


def test_every_broken_file_is_tried() -> None:
    """The list above has them all."""
    assert {f"broken-{row[0]}.csv" for row in BROKEN} == {path.name for path in MADE.glob("broken-*.csv")}


def test_a_meter_at_rest_may_be_taken_as_zero() -> None:
    """Only when the caller says so."""
    (house,) = read_houses([MADE / "broken-negative.csv"], Options(negative_as_zero=True))
    assert house.load_mwh[6] == 0
    assert house.gaps == 0


def test_no_file_and_no_text_are_refused(tmp_path: Path) -> None:
    """Missing, empty of houses, not text."""
    with pytest.raises(HistoryInvalid, match="No such file"):
        read_houses([tmp_path / "nothing.csv"])
    with pytest.raises(HistoryInvalid, match=r"no \.csv file with a load"):
        read_houses([tmp_path])
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(HistoryInvalid, match="no text in UTF-8"):
        read_houses([tmp_path / "picture.csv"])


def test_prices_are_micro_per_kwh() -> None:
    """The measured houses' tariff, row by row, without times of its own."""
    begin_ms, step_ms, prices = read_prices(MEASURED / "pricing.csv")
    assert (begin_ms, step_ms, len(prices)) == (-1, HOUR_MS, 8_760)
    assert sorted(set(prices.tolist())) == [210_000, 220_000, 400_000, 500_000, 540_000]
