"""Price tables on the meter: told by the ledger, kept over power cuts, shown; the same prices that the contract has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import chaincode.calendar as theirs
from chaincode.pricing import Band, Levy, Tariff, check
from chaincode.pricing import price_at as contracts_price_at
from chaincode.tables import table_of
from devices.meter import calendar as ours
from devices.meter.events import ClockSynced, SetTariff, Started
from devices.meter.prices import Price, Table, next_change, price_at
from devices.meter.prices import Tariff as Told
from tests.chaincode.test_pricing import by_time, flat, stepped
from tests.devices.meter.house import START_MS, House, PowerCut
from tests.devices.meter.sayings import Saying, tell

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEARS_MS = st.integers(START_MS - 400 * DAY_MS, START_MS + 4_000 * DAY_MS)
SOUTH = theirs.Zone(
    name="south",
    standard_minutes=570,
    summer_minutes=630,
    begins=theirs.Change(month=10, week=1, weekday=6, minute=120, utc=False),
    ends=theirs.Change(month=4, week=1, weekday=6, minute=180, utc=False),
)


def table(tariff: Tariff, from_ms: int = 0) -> dict[str, Any]:
    return table_of(msgspec.to_builtins(tariff), from_ms)


def known(tariff: Tariff, from_ms: int = 0) -> Told:
    """As a meter that was told it has it."""
    return Told(from_ms, tariff.id, msgspec.json.decode(msgspec.json.encode(table(tariff, from_ms)), type=Table))


def at(text: str) -> int:
    """Local time of central Europe in winter: `01-02 17:00` of 2026."""
    month, day, hour, minute = (int(part) for part in text.replace(" ", "-").replace(":", "-").split("-"))
    return theirs.day_start_ms(theirs.CENTRAL_EUROPE, 2026, month, day) + (60 * hour + minute) * 60_000


# ---------------------------------------------------------------- asking for them


def test_a_meter_that_knows_no_price_asks_at_a_moment_of_its_own_and_then_once_a_day() -> None:
    """Over restarts; not while nobody carries it, and not once it was told."""
    said = Saying()
    house = said.house(ask_ms=HOUR_MS)
    house.wait(2 * HOUR_MS)
    assert house.told("ask_tariffs") == [], "there is no link"
    house.link()
    asked = 0
    for minute in range(61):
        house.wait(60_000)
        asked = asked or (minute if house.told("ask_tariffs") else 0)
    assert 0 < asked < 60
    house.restart()
    house.link()
    house.wait(HOUR_MS)
    assert len(house.told("ask_tariffs")) == 1
    house.wait(DAY_MS)
    assert len(house.told("ask_tariffs")) == 2
    prices = table(flat(300_000))
    tell(house, said.command(1, "tariff", from_ms=0, tariff="utility:flat", table=prices))
    house.wait(2 * DAY_MS)
    assert len(house.told("ask_tariffs")) == 2


# ---------------------------------------------------------------- which price


@given(st.integers(-20_000, 60_000))
@example(-1826)
def test_a_day_is_the_contracts_day(day: int) -> None:
    assert tuple(ours.date(day)) == theirs.civil(day)
    assert ours.weekday(day) == theirs.weekday(day)


@given(YEARS_MS, st.sampled_from([theirs.CENTRAL_EUROPE, SOUTH, theirs.FIXED_UTC]))
def test_local_time_is_the_contracts(time_ms: int, zone: theirs.Zone) -> None:
    """On both sides of the equator, and where no clock is ever changed."""
    own = msgspec.json.decode(msgspec.json.encode(zone), type=ours.Zone)
    assert ours.offset_minutes(own, time_ms) == theirs.offset_minutes(zone, time_ms)


minutes = st.integers(1, 1_439)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """By season, kind of day and minute, with what stands on a price; always one band for the rest."""
    names = ("", "winter")
    kinds = ("", "work", "free")
    drawn = [
        Band(
            name=f"band {number}",
            price_micro=draw(st.integers(-100_000, 900_000)),
            season=draw(st.sampled_from(names)),
            day_type=draw(st.sampled_from(kinds)),
            from_minute=min(span),
            until_minute=max(span) + 1,
        )
        for number, span in enumerate(draw(st.lists(st.tuples(minutes, minutes), max_size=4)))
    ]
    zone = draw(st.sampled_from([theirs.CENTRAL_EUROPE, SOUTH]))
    holidays = tuple(draw(st.sets(st.integers(START_MS // DAY_MS, START_MS // DAY_MS + 30), max_size=5)))
    found = by_time(
        bands=(*drawn, Band(name="rest", price_micro=100_000)),
        holidays=holidays,
        grid_fee_micro=draw(st.integers(0, 90_000)),
        levies=(Levy(name="green", price_micro=draw(st.integers(0, 9_999))),),
        tax_micro=draw(st.sampled_from([0, 70_000, 190_000])),
    )
    check(found)
    return msgspec.structs.replace(found, zone=zone)


@given(tariffs(), st.lists(st.integers(START_MS, START_MS + 500 * DAY_MS), max_size=20))
def test_the_price_is_the_contracts_with_all_that_is_on_it(tariff: Tariff, times: list[int]) -> None:
    own = (known(tariff, START_MS),)
    extra = tariff.grid_fee_micro + sum(levy.price_micro for levy in tariff.levies)
    for time_ms in times:
        exact = (contracts_price_at(tariff, time_ms) + extra) * (1_000_000 + tariff.tax_micro) / 1_000_000
        found = price_at(own, time_ms)
        assert found is not None
        assert abs(found.price_micro - exact) <= 0.5


@given(tariffs(), st.integers(START_MS // 60_000, START_MS // 60_000 + 300 * 1_440))
def test_the_next_change_is_the_first_one(tariff: Tariff, minute: int) -> None:
    """To the minute: nothing changes before it, and something does then; clocks that are set forward or back too."""
    own = (known(tariff, START_MS),)
    now_ms = minute * 60_000
    now = price_at(own, now_ms)
    found = next_change(own, now_ms)
    end_ms = now_ms + 3 * DAY_MS if found is None else min(found[0], now_ms + 3 * DAY_MS)
    assert all(price_at(own, time_ms) == now for time_ms in range(now_ms, end_ms, 15 * 60_000))
    if found is not None:
        assert price_at(own, found[0] - 1) == now != found[1] == price_at(own, found[0])


# ---------------------------------------------------------------- told, kept, shown


@pytest.fixture(scope="module")
def ledger() -> Saying:
    return Saying()


def said(ledger: Saying, number: int, tariff: Tariff | None, from_ms: int) -> bytes:
    own = table_of(None if tariff is None else msgspec.to_builtins(tariff), from_ms)
    named = "" if tariff is None else tariff.id
    return ledger.command(number, "tariff", tariff=named, from_ms=from_ms, version_ms=from_ms, table=own)


def shown(house: House) -> list[tuple[str, str]]:
    """The pages of price and next change."""
    house.keys("*")
    found = [house.keys("#2##"), house.keys("#")]
    house.keys("*")
    return found


def test_the_price_now_the_period_and_the_next_change_are_shown(ledger: Saying) -> None:
    """From an event of the ledger, with its proof; a change of tariff is a change too."""
    house = ledger.house(now_ms=at("01-02 16:00"))
    assert shown(house) == [("PRICE           ", "NOT KNOWN       ")] * 2
    assert tell(house, said(ledger, 1, by_time(tax_micro=190_000), START_MS)) == "OK"
    assert shown(house) == [("PRICE        DAY", "     0.3570 /kWh"), ("NEXT   FRI 17:00", "     0.5950 /kWh")]
    house.wait(HOUR_MS)
    assert shown(house) == [("PRICE       PEAK", "     0.5950 /kWh"), ("NEXT   FRI 21:00", "     0.3570 /kWh")]
    assert tell(house, said(ledger, 2, flat(250_000), at("01-02 18:00")), number=2) == "OK"
    assert shown(house)[1] == ("NEXT   FRI 18:00", "     0.2500 /kWh")
    house.wait(2 * HOUR_MS)
    assert shown(house) == [("PRICE        ALL", "     0.2500 /kWh"), ("NEXT            ", "NO CHANGE KNOWN ")]
    assert tell(house, said(ledger, 3, flat(260_000), at("02-01 00:00")), number=3) == "OK"
    assert shown(house)[1] == ("NEXT  2026-02-01", "     0.2600 /kWh")
    assert [(one["number"], one["code"]) for one in house.told("answer")] == [(1, "OK"), (2, "OK"), (3, "OK")]


def test_a_forged_or_foreign_table_is_not_shown(ledger: Saying) -> None:
    house = ledger.house()
    forged = said(ledger, 1, flat(300_000), START_MS).replace(b"300000", b"100000")
    assert tell(house, forged) == "COMMAND_UNPROVEN"
    own = table(flat(1))
    foreign = ledger.command(1, "tariff", "cd" * 32, tariff="x", from_ms=START_MS, version_ms=0, table=own)
    assert tell(house, foreign) == "COMMAND_FOREIGN"
    assert house.state.tariffs == ()


def test_a_table_is_taken_once_and_an_older_one_not_after_it(ledger: Saying) -> None:
    """Told again it has the same answer; what was held back does not undo what came since."""
    house = ledger.house()
    first, second = (said(ledger, number, flat(number), START_MS) for number in (1, 2))
    assert [tell(house, second, number=2), tell(house, second, number=2)] == ["OK", "OK"]
    assert tell(house, first) == "COMMAND_OLD"
    assert [one.table.bands[0].price_micro for one in house.state.tariffs] == [2]
    assert len(house.told("answer")) == 1


def test_what_is_told_last_of_a_time_holds_from_then_on(ledger: Saying) -> None:
    """A point with another tariff, or none, has none of what was announced before."""
    house = ledger.house()
    days = [START_MS + number * DAY_MS for number in range(6)]
    for number, from_ms in enumerate(days[:4], 1):
        tell(house, said(ledger, number, flat(number), from_ms), number=number)
    tell(house, said(ledger, 5, flat(9), days[1]), number=5)
    assert [(one.from_ms, one.table.bands[0].price_micro) for one in house.state.tariffs] == [
        (days[0], 1),
        (days[1], 9),
    ]
    house.wait(2 * DAY_MS)
    tell(house, said(ledger, 6, None, days[3]), number=6)
    assert [one.from_ms for one in house.state.tariffs] == [days[1], days[3]], "what is over is forgotten"
    assert shown(house)[1] == ("NEXT   SUN 00:00", "  NOT KNOWN /kWh")
    house.wait(2 * DAY_MS)
    assert shown(house) == [("PRICE           ", "NOT KNOWN       ")] * 2


def test_tables_survive_a_power_cut_before_or_after_they_are_written(ledger: Saying) -> None:
    """A cut before the records: the gateway tells it again. After: it is there, and answered once."""
    evidence = said(ledger, 1, by_time(), START_MS)
    for cut in ("before", "after"):
        house = ledger.house()
        house.cut = cut
        with pytest.raises(PowerCut):
            tell(house, evidence)
        house.restart()
        assert bool(house.state.tariffs) is (cut == "after")
        assert tell(house, evidence) == "OK"
        before = house.state.tariffs
        house.restart()
        assert house.state.tariffs == before != ()
        assert len(house.told("answer")) == 1
        assert shown(house)[0] == ("PRICE      NIGHT", "     0.2000 /kWh")


def test_a_meter_whose_disk_knows_no_tariffs_yet_starts(ledger: Saying) -> None:
    """It was made by a version before there were any."""
    house = ledger.house()
    house.recharge(3)
    del house.disk["tariffs"]
    house.restart()
    assert house.balance_mwh == 3_000_000
    assert tell(house, said(ledger, 1, flat(), START_MS)) == "OK"


def test_a_tariff_by_steps_shows_each_of_them() -> None:
    """Where the month stands the meter does not know: vended units count, or those of the whole month."""
    house = House()
    tariff = stepped((50_000, 200_000), (200_000, 300_000), (0, 450_000))
    command = SetTariff(START_MS, tariff.id, msgspec.json.encode(table(tariff)))
    assert house.command(1, command) == "OK"
    pages = [house.keys("#2##"), *(house.keys("#") for _ in range(3))]
    assert pages[:3] == [
        ("PRICE     STEP 1", "     0.2000 /kWh"),
        ("ABOVE     50 kWh", "     0.3000 /kWh"),
        ("ABOVE    200 kWh", "     0.4500 /kWh"),
    ]
    assert pages[3][0].startswith("IMPORT")


def test_without_the_time_no_price_is_shown() -> None:
    house = House()
    house.command(1, SetTariff(START_MS, "x", msgspec.json.encode(table(flat()))))
    house.do(Started(house.now_ms, b"s" * 32, clock_valid=False))
    assert shown(house) == [("PRICE           ", "NOT KNOWN       ")] * 2
    house.do(ClockSynced(house.now_ms, house.now_ms + 1))
    assert shown(house)[0] == ("PRICE        ALL", "     0.3000 /kWh")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        msgspec.json.encode(table(flat()) | {"bands": [["x", 1, "", "", -1, 1_440]]}),
        msgspec.json.encode(table(flat()) | {"bands": [["x", 1, "", "", 0, 1_440]] * 49}),
        msgspec.json.encode(table(flat()) | {"zone": {"standard_minutes": 9_999}}),
        msgspec.json.encode(table(flat()) | {"more": "x" * 20_000}),
    ],
)
def test_a_table_of_another_form_is_refused_and_the_one_before_holds(broken: bytes) -> None:
    """By a later version of the contract, say; the ledger hears of it."""
    house = House()
    house.command(1, SetTariff(START_MS, "x", msgspec.json.encode(table(flat()))))
    assert house.command(2, SetTariff(START_MS, "x", broken)) == "TARIFF_INVALID"
    assert price_at(house.state.tariffs, house.now_ms) == Price("all", 300_000)


def test_the_largest_tariff_fits() -> None:
    """As many bands, names and holidays as the contract takes; only the holidays to come are sent."""
    first = START_MS // DAY_MS
    named = (Band(name=f"{place:02d}" + "m" * 38, price_micro=10**9, season="winter") for place in range(47))
    largest = by_time(
        bands=(*named, Band(name="rest", price_micro=1)),
        holidays=tuple(range(first - 300, first + 100)),
        levies=tuple(Levy(name="l" * 40, price_micro=10**9) for _ in range(12)),
    )
    check(largest)
    house = House()
    raw = msgspec.json.encode(table(largest, START_MS))
    assert len(raw) < 8_000
    assert house.command(1, SetTariff(START_MS, largest.id, raw)) == "OK"
    assert house.state.tariffs[0].table.holidays[0] == first - 1
