"""What a tariff makes of energy and of money: every line once rounded, every case of the business."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.calendar import CENTRAL_EUROPE, DAY_MS, FIXED_UTC, DayType, Season, day_number, day_start_ms
from chaincode.pricing import (
    FLAT,
    NET_BY_ENERGY,
    NET_BY_MONEY,
    STEPS,
    TIME_OF_USE,
    Band,
    Levy,
    Step,
    Tariff,
    TariffInvalid,
    TariffNotPrepaid,
    Use,
    band_at,
    bands_of_day,
    by_step,
    check,
    export_bands,
    lines,
    price_at,
    vend,
)
from chaincode.vended import LARGEST_UNITS, MWH_PER_UNIT, Line, encodable

KWH = 1_000_000
WH = 1_000
CENTS = 2
QUARTER_MS = 900_000
FEED_IN = (Band(name="feed-in", price_micro=80_000),)
WEEK = (DayType(name="work", weekdays=(0, 1, 2, 3, 4)), DayType(name="free", weekdays=(5, 6), holidays=True))


def flat(price_micro: int = 300_000, **changes: Any) -> Tariff:
    bands = (Band(name="all", price_micro=price_micro),)
    given = {"feed_in": FEED_IN, "bands": bands} | changes
    return Tariff(id="north:flat", utility="north", zone=CENTRAL_EUROPE, kind=FLAT, **given)


def stepped(*steps: tuple[int, int], **changes: Any) -> Tariff:
    made = tuple(Step(up_to_wh=up_to_wh, price_micro=price) for up_to_wh, price in steps)
    given = {"feed_in": FEED_IN} | changes
    return Tariff(id="north:steps", utility="north", zone=CENTRAL_EUROPE, kind=STEPS, steps=made, **given)


def by_time(**changes: Any) -> Tariff:
    """Cheap at night and on free days; dearer in winter evenings of work days."""
    bands = (
        Band(name="peak", price_micro=500_000, season="winter", day_type="work", from_minute=1_020, until_minute=1_260),
        Band(name="day", price_micro=300_000, day_type="work", from_minute=360, until_minute=1_320),
        Band(name="night", price_micro=200_000),
    )
    seasons = (Season(name="winter", from_mmdd=1_001, until_mmdd=331),)
    given = {"feed_in": FEED_IN, "bands": bands, "seasons": seasons, "day_types": WEEK} | changes
    return Tariff(**{"id": "north:tou", "utility": "north", "zone": CENTRAL_EUROPE, "kind": TIME_OF_USE} | given)


def use(*import_mwh: int, export: tuple[int, ...] = (0,), days: int = 30, of: int = 30, **more: int) -> Use:
    return Use(import_mwh=list(import_mwh), export_mwh=list(export), days=days, days_in_month=of, **more)


def amounts(made: list[Line]) -> dict[str, int]:
    return {f"{line.kind} {line.name}".strip(): line.amount_minor for line in made}


# ---------------------------------------------------------------- which price holds


def test_the_band_of_an_instant_goes_by_season_day_type_and_local_minute() -> None:
    """18:00 in Berlin is peak on a work day in winter, day in summer, night on a Sunday."""
    tariff = by_time()

    def named(year: int, month: int, day: int, hour: int) -> str:
        at_ms = day_start_ms(CENTRAL_EUROPE, year, month, day) + hour * 3_600_000
        return tariff.bands[band_at(tariff, tariff.bands, at_ms)].name

    assert named(2026, 1, 14, 18) == "peak"
    assert named(2026, 6, 17, 18) == "day"
    assert named(2026, 1, 18, 18) == "night"
    assert named(2026, 1, 14, 5) == "night"
    assert price_at(tariff, day_start_ms(CENTRAL_EUROPE, 2026, 1, 14)) == 200_000


def test_a_holiday_is_a_day_of_its_own_type() -> None:
    """Christmas Day on a Friday costs what a Sunday costs."""
    tariff = by_time(holidays=(day_number(2026, 12, 25),))
    noon_ms = day_start_ms(CENTRAL_EUROPE, 2026, 12, 25) + 12 * 3_600_000
    assert tariff.bands[band_at(tariff, tariff.bands, noon_ms)].name == "night"


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25), (7, 1), (12, 31)])
def test_the_bands_of_a_day_are_those_of_its_instants(month: int, day: int) -> None:
    """On days of 23 and 25 hours too: each interval by the local clock at its start."""
    tariff = by_time(holidays=(day_number(2026, 7, 1),))
    for number in (day_number(2026, month, day) - 1, day_number(2026, month, day)):
        one_by_one = [band_at(tariff, tariff.bands, number * DAY_MS + at * QUARTER_MS) for at in range(96)]
        assert bands_of_day(tariff, tariff.bands, number, QUARTER_MS) == one_by_one


# ---------------------------------------------------------------- lines


def test_each_line_is_rounded_once_and_keeps_what_rounding_left() -> None:
    """amount x 10^(12-digits) + remainder is exactly price x energy."""
    tariff = flat(300_001, levies=(Levy(name="green", price_micro=6_543),), tax_micro=190_000)
    made = lines(tariff, use(12_345_678), CENTS)
    assert [line.kind for line in made] == ["import", "levy", "tax"]
    for line in made[:2]:
        assert line.amount_minor * 10**10 + line.remainder_pico == line.price_micro * line.quantity
    assert made[0].amount_minor == 370
    assert made[2].amount_minor == round(Fraction(19 * (370 + 8), 100))


@pytest.mark.parametrize(
    ("energy_wh", "first", "second"), [(99_999, 99_999, 0), (100_000, 100_000, 0), (100_001, 100_000, 1)]
)
def test_a_step_ends_at_its_boundary(energy_wh: int, first: int, second: int) -> None:
    """At the boundary, one Wh below and one above."""
    tariff = stepped((100_000, 200_000), (0, 400_000))
    assert by_step(tariff.steps, energy_wh * WH, 0) == [first * WH, second * WH]


def test_steps_go_on_where_the_month_stands() -> None:
    """What was taken before fills the lower steps first; the parts sum to the energy."""
    steps = stepped((50_000, 100_000), (100_000, 200_000), (0, 400_000)).steps
    assert by_step(steps, 80 * KWH, 30 * KWH) == [20 * KWH, 50 * KWH, 10 * KWH]
    assert by_step(steps, 80 * KWH, 500 * KWH) == [0, 0, 80 * KWH]


def test_fixed_amounts_are_prorated_by_local_days_also_in_a_leap_year() -> None:
    """10 of 29 days of February 2028 are 10/29 of the month's amount, half to even."""
    tariff = flat(fixed_minor=1_000, capacity_minor=500)
    made = amounts(lines(tariff, use(0, days=10, of=29, peak_w=4_321), CENTS))
    assert made == {"fixed": 345, "capacity": round(Fraction(500 * 4_321 * 10, 29_000))}


def test_a_minimum_tops_up_what_is_below_it_and_is_taxed() -> None:
    """What is missing is a line of its own; at the minimum there is none."""
    tariff = flat(minimum_minor=500, tax_micro=100_000)
    assert amounts(lines(tariff, use(10 * KWH), CENTS)) == {"import all": 300, "minimum": 200, "tax": 50}
    assert "minimum" not in amounts(lines(tariff, use(17 * KWH), CENTS))


def test_zero_and_negative_prices_make_zero_and_negative_lines() -> None:
    """A price below zero pays the one who takes; half-even works below zero too."""
    assert amounts(lines(flat(0), use(5 * KWH), CENTS)) == {"import all": 0}
    assert amounts(lines(flat(-15_000), use(1 * KWH), CENTS)) == {"import all": -2}
    assert amounts(lines(flat(-25_000), use(1 * KWH), CENTS)) == {"import all": -2}


def test_feed_in_is_credited_and_its_fee_charged_even_where_that_is_more() -> None:
    """Feed-in below the export fee: whoever exports pays the difference."""
    tariff = flat(feed_in=(Band(name="sun", price_micro=20_000),), export_fee_micro=30_000)
    made = amounts(lines(tariff, use(0, export=(10 * KWH,)), CENTS))
    assert made == {"feed_in sun": -20, "export_fee": 30}


def test_net_metering_by_energy_sets_export_against_import() -> None:
    """What is left of either is paid at its own price."""
    tariff = flat(net_metering=NET_BY_ENERGY)
    assert amounts(lines(tariff, use(30 * KWH, export=(10 * KWH,)), CENTS)) == {"import all": 600}
    assert amounts(lines(tariff, use(10 * KWH, export=(30 * KWH,)), CENTS)) == {"feed_in feed-in": -160}


def test_net_metering_by_money_pays_export_at_the_import_price_of_its_time() -> None:
    """The export of a band is worth what import is in it."""
    tariff = by_time(net_metering=NET_BY_MONEY, feed_in=())
    assert export_bands(tariff) == tariff.bands
    made = amounts(lines(tariff, use(0, 10 * KWH, 0, export=(0, 0, 10 * KWH)), CENTS))
    assert made == {"import day": 300, "feed_in night": -200}


def test_reactive_energy_costs_only_where_the_tariff_says_so_and_above_its_share() -> None:
    """Never netted with kWh: above the free part of the active energy, at its own price."""
    assert "reactive" not in amounts(lines(flat(), use(100 * KWH, reactive_mvarh=90 * KWH), CENTS))
    tariff = flat(reactive_micro=10_000, reactive_free_micro=500_000)
    assert "reactive" not in amounts(lines(tariff, use(100 * KWH, reactive_mvarh=50 * KWH), CENTS))
    assert amounts(lines(tariff, use(100 * KWH, reactive_mvarh=90 * KWH), CENTS))["reactive"] == 40


# ---------------------------------------------------------------- vending


def test_an_amount_buys_the_most_energy_that_it_pays_and_the_rest_stays_money() -> None:
    """Tax and levies included; one more unit would cost more than there is."""
    tariff = flat(levies=(Levy(name="green", price_micro=10_000),), tax_micro=190_000)
    bought = vend(tariff, 2_000, 0, CENTS)
    assert bought.total_minor + bought.rest_minor == 2_000
    assert bought.units == 542  # 54.2 kWh: (16.26 + 0.54) and 19 % are 19.99
    assert bought.rest_minor == 1


@given(
    amount_minor=st.integers(0, 10**9),
    vended=st.integers(0, 300 * KWH),
    tax=st.sampled_from([0, 70_000, 190_000]),
    levy=st.integers(0, 50_000),
    prices=st.lists(st.integers(1, 900_000), min_size=3, max_size=3),
)
def test_vending_conserves_money_and_energy(
    amount_minor: int, vended: int, tax: int, levy: int, prices: list[int]
) -> None:
    """Lines and rest are the amount; lots are the units, their net and tax the lines; more would not be paid for."""
    tariff = stepped(
        (50_000, prices[0]),
        (200_000, prices[1]),
        (0, prices[2]),
        tax_micro=tax,
        levies=(Levy(name="l", price_micro=levy),),
    )
    bought = vend(tariff, amount_minor, vended, CENTS)
    assert bought.total_minor + bought.rest_minor == amount_minor
    assert bought.rest_minor >= 0
    assert sum(part.energy_mwh for part in bought.parts) == bought.energy_mwh == bought.units * MWH_PER_UNIT
    assert sum(part.net_minor + part.tax_minor for part in bought.parts) == bought.total_minor
    assert encodable(bought.units) == bought.units
    if bought.units < LARGEST_UNITS:
        more = vend(tariff, 10**12, vended, CENTS)
        following = next(units for units in range(bought.units + 1, LARGEST_UNITS + 1) if encodable(units) == units)
        assert more.units >= following
        energy_line_cost = _cost(tariff, following, vended)
        assert energy_line_cost > amount_minor


def _cost(tariff: Tariff, units: int, vended_mwh: int) -> int:
    """What so many units cost, by the lines of an invoice."""
    made = lines(tariff, use(units * MWH_PER_UNIT, before_mwh=vended_mwh), CENTS)
    return sum(line.amount_minor for line in made)


@pytest.mark.parametrize(
    ("units", "carried"),
    [
        (0, 0),
        (16_383, 16_383),
        (16_384, 16_384),
        (16_385, 16_384),
        (180_214, 180_214),
        (180_223, 180_214),
        (180_224, 180_224),
        (180_323, 180_224),
        (1_818_524, 1_818_524),
        (1_818_623, 1_818_524),
        (1_818_624, 1_818_624),
        (18_201_624, 18_201_624),
        (18_201_625, 18_201_624),
    ],
)
def test_a_token_carries_only_amounts_that_it_can_encode(units: int, carried: int) -> None:
    """Rounded down: steps of 0.1 kWh below 1,638.4 kWh, then of 1, 10 and 100."""
    assert encodable(units) == carried


@given(st.integers(0, LARGEST_UNITS))
def test_rounding_down_to_what_a_token_carries_is_close_and_idempotent(units: int) -> None:
    """Never more, never a whole step less but in the gaps between the ranges."""
    carried = encodable(units)
    assert carried <= units
    assert encodable(carried) == carried
    assert units - carried < 1_000


def test_tariffs_by_time_and_prices_not_above_zero_are_not_vended() -> None:
    """A kWh that is bought today is used at any time; one that costs nothing has no number."""
    for tariff in (by_time(), flat(0), flat(-1), stepped((10, 5), (0, -5))):
        with pytest.raises(TariffNotPrepaid):
            vend(tariff, 100, 0, CENTS)


def test_a_tariff_below_a_smallest_unit_buys_nothing_for_little_money() -> None:
    """All of it stays money; there is no lot of nothing."""
    bought = vend(flat(), 2, 0, CENTS)
    assert (bought.units, bought.parts, bought.rest_minor) == (0, [], 2)


# ---------------------------------------------------------------- is it a tariff


def test_good_tariffs_pass() -> None:
    """Those that the other tests use."""
    for tariff in (flat(), by_time(), stepped((100, 1), (0, 2)), by_time(net_metering=NET_BY_MONEY, feed_in=())):
        check(tariff)


@pytest.mark.parametrize(
    ("tariff", "rule"),
    [
        (by_time(bands=()), "1 to 48 import bands"),
        (flat(feed_in=()), "1 to 48 feed-in bands"),
        (flat(bands=(Band(name="day", price_micro=1, until_minute=1_000),)), "minute 1000 has no import price"),
        (flat(bands=(Band(name="x", price_micro=1, from_minute=5, until_minute=5),)), "0 to 1440"),
        (flat(bands=(Band(name="", price_micro=1),)), "a band's name"),
        (flat(2 * 10**9), "a price is at most"),
        (flat(steps=(Step(up_to_wh=0, price_micro=1),)), "only a tariff by steps"),
        (flat(bands=(*by_time().bands,)), "a flat tariff has one band"),
        (by_time(bands=by_time().bands[:2]), "has no import price"),
        (stepped(), "1 to 12 steps"),
        (stepped((100, 1)), "no end"),
        (stepped((100, 1), (100, 2), (0, 3)), "above the one before"),
        (stepped((0, 1), net_metering=NET_BY_MONEY), "does not go by steps"),
        (flat(net_metering="both"), "net metering"),
        (flat(tax_micro=1_000_001), "a rate"),
        (flat(grid_fee_micro=-1), "a fee per kWh"),
        (flat(minimum_minor=-1), "an amount per month"),
        (flat(levies=(Levy(name="", price_micro=1),)), "a levy's name"),
    ],
)
def test_data_that_contradict_themselves_are_refused(tariff: Tariff, rule: str) -> None:
    """With the rule that they break."""
    with pytest.raises(TariffInvalid, match=rule):
        check(tariff)


def test_a_zone_without_summer_time_is_right_too() -> None:
    """The bands of a day in UTC begin at midnight."""
    tariff = by_time().replace(zone=FIXED_UTC)
    assert (
        bands_of_day(tariff, tariff.bands, day_number(2026, 1, 14), 3_600_000)
        == [2] * 6 + [1] * 11 + [0] * 4 + [1] + [2] * 2
    )
