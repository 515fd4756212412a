"""Who had a point when, and what flowed: every interval of a stay once, every local day once."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaincode.calendar import CENTRAL_EUROPE, DAY_MS, FIXED_UTC, day_start_ms, month_span_ms
from chaincode.invoices import Month, differences, flat, month_lines, total_of
from chaincode.periods import (
    COLUMNS,
    GRID_EXPORT,
    GRID_IMPORT,
    Days,
    Ground,
    Known,
    Late,
    Stay,
    adjusted,
    flow_of,
    pieces,
    stays,
    steady_offset,
)
from chaincode.pricing import FLAT, Band, Levy, Line, Tariff, bands_of_day
from tests.chaincode.test_pricing import by_time, stepped
from tests.chaincode.test_pricing import flat as flat_tariff

QUARTER_MS = 900_000
SLOTS = DAY_MS // QUARTER_MS
GROUND = Ground(zone=CENTRAL_EUROPE, interval_ms=QUARTER_MS, digits=2)


def span(from_ms: int, until_ms: int, customer: str = "a", **more: Any) -> dict[str, Any]:
    return {"from_ms": from_ms, "until_ms": until_ms, "customer": customer, "prepaid": False, "tariff": "t"} | more


def month_of(
    year: int, month: int, spans: list[dict[str, Any]], tariffs: list[tuple[int, Tariff]], days: Days
) -> Month:
    start_ms, end_ms = month_span_ms(CENTRAL_EUROPE, year, month)
    found = stays(spans, {"t": tariffs}, start_ms, end_ms, QUARTER_MS)
    return Month(
        name=f"{year}-{month:02d}", start_ms=start_ms, end_ms=end_ms, stays=found, days=days, late=[], reactive=[]
    )


def steady(year: int, month: int, energy_mwh: int = 1_000) -> Days:
    """So much from the grid, and a tenth of it given, in each interval of every day of a month."""
    start_ms, end_ms = month_span_ms(CENTRAL_EUROPE, year, month)
    columns: list[list[int]] = [[] for _ in range(COLUMNS)]
    columns[GRID_IMPORT] = [energy_mwh] * SLOTS
    columns[GRID_EXPORT] = [energy_mwh // 10] * SLOTS
    return dict.fromkeys(range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1), columns)


def amounts(made: list[Line]) -> dict[str, int]:
    return {f"{line.kind} {line.name}".strip(): line.amount_minor for line in made}


def test_a_leap_february_is_prorated_by_29_days() -> None:
    """Leap-year proration: 14 and 15 of 29 days in 2028, 14 of 28 each in 2027."""
    for year, days in ((2028, 29), (2027, 28)):
        change_ms = day_start_ms(CENTRAL_EUROPE, year, 2, 15)
        spans = [span(0, change_ms), span(change_ms, 0, "b")]
        month = month_of(year, 2, spans, [(0, flat_tariff(fixed_minor=2_900))], {})
        fixed = [flat(month_lines(month, customer, 0, GROUND, {}))[0] for customer in ("a", "b")]
        assert [line.quantity for line in fixed] == [14, days - 14]
        assert [line.amount_minor for line in fixed] == [2_900 * 14 // days, 2_900 * (days - 14) // days]


def test_a_move_at_any_hour_counts_its_day_for_who_comes() -> None:
    """A local day belongs to who has the point at its end; on a day of the summer time change too."""
    noon_ms = day_start_ms(CENTRAL_EUROPE, 2026, 3, 29) + 11 * 3_600_000
    month = month_of(2026, 3, [span(0, noon_ms), span(noon_ms, 0, "b")], [(0, flat_tariff())], {})
    found = [flow_of(stay, {}, 0, GROUND, {}).use.days for stay in month.stays]
    assert found == [28, 3]


def test_what_does_not_concern_the_bill_makes_no_part() -> None:
    """A move between feeders leaves one stay; a prepaid meter, another tenant, another tariff begin a new one."""
    spans = [span(0, 40 * DAY_MS), span(40 * DAY_MS, 50 * DAY_MS), span(50 * DAY_MS, 0, prepaid=True)]
    found = stays(spans, {"t": [(0, flat_tariff())]}, 35 * DAY_MS, 60 * DAY_MS, QUARTER_MS)
    assert [(stay.from_ms // DAY_MS, stay.until_ms // DAY_MS) for stay in found] == [(35, 50), (50, 60)]


def test_steps_go_on_over_a_change_of_tariff_within_the_month() -> None:
    """What was taken under the first version counts in the steps of the second."""
    tariff = stepped((1_000, 100_000), (0, 200_000))
    change_ms = day_start_ms(CENTRAL_EUROPE, 2026, 5, 11)
    month = month_of(2026, 5, [span(0, 0)], [(0, tariff), (change_ms, tariff)], steady(2026, 5))
    first, second = month_lines(month, "a", 0, GROUND, {})
    assert [line.name for line in first if line.kind == "import"] == ["step 1"]
    taken = {line.name: line.quantity for line in second if line.kind == "import"}
    assert taken["step 1"] == 1_000_000 - 10 * SLOTS * 1_000
    assert taken["step 2"] == 21 * SLOTS * 1_000 - taken["step 1"]


def test_what_came_late_changes_only_its_interval() -> None:
    """The days given stay as they are; an empty column gets its intervals."""
    days = steady(2026, 5)
    day = min(days)
    columns = [0, 0, 0, 700, -400, 0, 0, 0]
    owed = {"amount_minor": 0, "fee_minor": 0, "levy_minor": 0, "tax_minor": 0}
    late = Late(number=1, interval_ms=day * DAY_MS + 5 * QUARTER_MS, columns_mwh=columns, **owed)
    changed = adjusted(days, [late, late.replace(number=2)], QUARTER_MS)
    assert (changed[day][3][5], changed[day][4][5], sum(changed[day][3])) == (1_400, 200, 1_400)
    assert changed[day + 1] == days[day + 1]
    assert days[day][3] == []
    assert set(days[day][4]) == {1_000}


# ---------------------------------------------------------------- by Hypothesis

PRICES = st.integers(-300_000, 900_000)
TARIFFS = st.one_of(
    st.builds(
        lambda price, fixed, least, levy, tax: flat_tariff(
            price,
            fixed_minor=fixed,
            minimum_minor=least,
            capacity_minor=fixed // 2,
            levies=(Levy(name="levy", price_micro=levy),),
            tax_micro=tax,
        ),
        PRICES,
        st.integers(0, 5_000),
        st.integers(0, 9_000),
        PRICES,
        st.integers(0, 1_000_000),
    ),
    st.builds(lambda up_to, price: stepped((up_to, 100_000), (0, price)), st.integers(1, 5_000), PRICES),
    st.just(by_time()),
)
SLOT = st.integers(0, 30 * SLOTS - 1)


@given(st.sampled_from([by_time(), by_time().replace(zone=FIXED_UTC)]), st.integers(20_440, 20_860), st.booleans())
def test_bands_of_a_day_are_those_of_each_interval(tariff: Tariff, day: int, known: bool) -> None:
    """Found by the minutes of local days, or interval by interval where the clock changes: the same."""
    stay = Stay(from_ms=0, until_ms=1, customer="a", prepaid=False, version_ms=0, tariff=tariff)
    memory: Known = {}
    for one in [day - 1, day - 7, day] if known else [day]:
        found = pieces(stay, tariff.bands, "import", one, steady_offset(tariff.zone, one), GROUND, memory)
    places = [place for place, begins, ends in found for _ in range(begins, ends)]
    assert places == bands_of_day(tariff, tariff.bands, day, QUARTER_MS)


@given(TARIFFS, TARIFFS, st.lists(SLOT, min_size=1, max_size=3, unique=True), st.integers(0, 3_000_000))
def test_lines_sum_to_the_total_and_stays_to_the_month(
    one: Tariff, other: Tariff, cuts: list[int], energy: int
) -> None:
    """However a month is cut: every mWh is in one stay, days sum to the month's, and lines to the total."""
    start_ms = month_span_ms(CENTRAL_EUROPE, 2026, 4)[0]
    times = [0, *(start_ms + cut * QUARTER_MS for cut in sorted(cuts)), 0]
    names = "abab"
    spans = [span(times[at], times[at + 1], names[at]) for at in range(len(times) - 1)]
    versions = [(0, one), (start_ms + 9 * DAY_MS + 1, other)]
    month = month_of(2026, 4, spans, versions, steady(2026, 4, energy))
    flows = [flow_of(stay, month.days, 0, GROUND, {}) for stay in month.stays]
    assert sum(sum(flow.use.import_mwh) for flow in flows) == energy * 30 * SLOTS
    assert sum(sum(flow.use.export_mwh) for flow in flows) == energy // 10 * 30 * SLOTS
    assert sum(flow.use.days for flow in flows) == 30
    made = flat([line for customer in "ab" for line in month_lines(month, customer, 0, GROUND, {})])
    assert total_of(made) == sum(line.amount_minor for line in made)
    energy_lines = [line for line in made if line.unit == "mwh" and line.kind != "listed"]
    for line in energy_lines:
        assert line.amount_minor * 10**10 + line.remainder_pico == line.quantity * line.price_micro


@given(TARIFFS, st.lists(st.tuples(SLOT, st.integers(-1_000, 5_000_000)), min_size=1, max_size=5))
def test_an_invoice_and_its_corrections_are_what_the_truth_would_have_been(
    tariff: Tariff, changes: list[tuple[int, int]]
) -> None:
    """A month billed and corrected after each late reading comes to what it comes to when all is known at once."""
    month = month_of(2026, 4, [span(0, 0)], [(0, tariff)], steady(2026, 4, 1_000 * len(changes)))
    owed = {"amount_minor": 0, "fee_minor": 0, "levy_minor": 0, "tax_minor": 0}
    late = [
        Late(
            number=number + 1,
            interval_ms=month.start_ms + slot * QUARTER_MS,
            columns_mwh=[more, 0, 0, 0, more, 0, 0, 0],
            **owed,
        )
        for number, (slot, more) in enumerate(changes)
    ]
    month = month.replace(late=late)
    made = [flat(month_lines(month, "a", upto, GROUND, {})) for upto in range(len(late) + 1)]
    billed = total_of(made[0]) + sum(
        total_of(differences(made[upto], made[upto + 1], "correction")) for upto in range(len(late))
    )
    assert billed == total_of(made[-1])
    assert differences(made[0], made[0], "nothing") == []


def test_a_month_without_energy_has_what_stands_every_month() -> None:
    """The days in brief have empty columns: a point without energy has no lines but what stands every month."""
    tariff = Tariff(
        id="t",
        utility="u",
        zone=CENTRAL_EUROPE,
        kind=FLAT,
        bands=(Band(name="all", price_micro=1),),
        feed_in=(Band(name="in", price_micro=1),),
        fixed_minor=500,
    )
    columns: list[list[int]] = [[] for _ in range(COLUMNS)]
    month = month_of(2026, 4, [span(0, 0)], [(0, tariff)], dict.fromkeys(steady(2026, 4), columns))
    assert amounts(flat(month_lines(month, "a", 0, GROUND, {}))) == {"fixed": 500}
