"""The home's agent: it hears, keeps, decides, warns and answers for less, within bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from devices.house.agent.alarm import BATTERY, METER, Alarms, Limits, Rung, judged
from devices.house.agent.collect import SOURCES, VALUES, Collected, heard
from devices.house.agent.control import Preferences, View, plan
from devices.house.agent.core import (
    GENERATION,
    VEHICLE,
    Agent,
    Answered,
    Asked,
    Bounds,
    Effects,
    Ended,
    Event,
    Forecasted,
    Halted,
    Observed,
    OptedOut,
    Priced,
    Resumed,
    Settings,
    Ticked,
    Traded,
)
from devices.house.agent.log import Log
from devices.house.agent.response import (
    DAY_MS,
    INTERVAL_MS,
    INTERVALS,
    MEASURED,
    OPTED_OUT,
    RUNNING,
    Call,
    Past,
    baseline,
)
from devices.house.catalogue import CAR, HOME_BATTERY, family
from devices.house.days import days
from devices.house.house import step
from devices.house.occupants import Habits
from devices.house.standing import House, Moment, Standing, Wanted
from devices.house.strategy import BID, FixedPrice, Order, Outlook, PriceFollower, Strategy, Terms
from devices.house.trading import Forecast
from devices.house.weather import HOUR_MS, Place
from devices.physics.energy import NWH_PER_WH
from ledgernode.errors import BadRequest

JUNE_MS = 1_781_913_600_000 // DAY_MS * DAY_MS
TERMS = Terms(330_000, 80_000)
LENDING = msgspec.structs.replace(CAR, lends=True)
HOUSE = family("one", peak_w=4_000, battery=HOME_BATTERY, vehicle=LENDING, boiler=True)


class Home:
    """An agent in its house, quarter by quarter: it hears what stands, and its wishes are done."""

    def __init__(self, house: House = HOUSE, *, seed: int = 1, minded: bool = True, **settings: Any) -> None:
        fields = {"point": "north:h1", "market": "north", "house": house, "strategy": FixedPrice()} | settings
        self.house = house
        self.agent = Agent(Settings(**fields))
        self.state = Standing.begun(house)
        self.wanted = Wanted()
        self.minded = minded
        self.rung: list[Rung] = []
        self.responses: list[Call] = []
        self.now_ms = JUNE_MS
        self.moments = days(np.random.default_rng(seed), Place(), Habits(), JUNE_MS, count=96 * 60, step_ms=INTERVAL_MS)
        self.do(Priced(self.now_ms, TERMS, TERMS.retail_micro))
        self.tell({"power_mw": 0, "voltage_mv": 230_000}, 0, 0, 0)

    def do(self, event: Event) -> Effects:
        effects = self.agent.step(event)
        self.rung += effects.rung
        self.responses += effects.responses
        if self.minded:
            self.wanted = effects.wanted
        return effects

    def run(self, quarters: int) -> None:
        for _ in range(quarters):
            self.quarter(next(self.moments))

    def quarter(self, moment: Moment) -> None:
        before = self.state.flowed
        self.state, phases, flowed = step(self.house, self.state, moment, self.wanted)
        self.now_ms = moment.at_ms + moment.duration_ms
        assert before + flowed == self.state.flowed
        meter = {
            "power_mw": sum(phase.power_mw for phase in phases),
            "voltage_mv": phases[0].voltage_mv,
            "current_ma": phases[0].current_ma,
        }
        battery_nwh = flowed.battery_in_nwh - flowed.battery_out_nwh
        vehicle_nwh = flowed.vehicle_in_nwh - flowed.vehicle_out_nwh
        self.tell(
            meter, *(round(each / NWH_PER_WH * 4_000) for each in (flowed.generated_nwh, battery_nwh, vehicle_nwh))
        )

    def tell(self, meter: dict[str, int], generation_mw: int, battery_mw: int, vehicle_mw: int) -> None:
        registers = {"import_mwh": self.state.meter.import_mwh, "export_mwh": self.state.meter.export_mwh}
        self.do(Observed(self.now_ms, GENERATION, {"power_mw": generation_mw}))
        if self.house.battery is not None:
            level = self.house.battery.level_micro(self.state.stored_nwh)
            self.do(Observed(self.now_ms, BATTERY, {"power_mw": battery_mw, "level_micro": level}))
        self.do(Observed(self.now_ms, VEHICLE, {"power_mw": vehicle_mw}))
        self.do(Observed(self.now_ms, METER, meter | registers))

    @property
    def import_wh(self) -> int:
        return self.state.flowed.import_nwh // NWH_PER_WH


# ---------------------------------------------------------------- collect and log


def test_the_last_value_counts_and_an_old_message_does_not() -> None:
    """Values of several messages stand side by side."""
    collected = heard(heard(Collected(), "plug", 10, {"power_mw": 5}), "plug", 20, {"energy_mwh": 7})
    assert (collected.value("plug", "power_mw"), collected.value("plug", "energy_mwh")) == (5, 7)
    assert heard(collected, "plug", 19, {"power_mw": 9}) is collected
    assert collected.silent_ms("plug", 25) == 5
    assert collected.silent_ms("nobody", 25) is None
    assert collected.value("nobody", "power_mw", 3) == 3


@pytest.mark.parametrize("value", [1.5, float("nan"), True, "5", None, 1 << 60, -(1 << 60)])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    """A sensor that shows nonsense does not steer a house."""
    with pytest.raises(BadRequest):
        heard(Collected(), "plug", 0, {"power_mw": value})


def test_a_home_knows_so_many_sources_and_values() -> None:
    """Made-up names fill no memory."""
    collected = Collected()
    for number in range(SOURCES):
        collected = heard(collected, f"s{number}", 0, {"power_mw": 1})
    with pytest.raises(BadRequest, match="sources"):
        heard(collected, "another", 0, {})
    with pytest.raises(BadRequest, match="values"):
        heard(collected, "s0", 0, {f"v{number}": 0 for number in range(VALUES)})


def test_the_log_is_a_ring() -> None:
    """One sample a period; the oldest goes first; happenings too."""
    log, collected = Log(1_000, samples=6, happenings=2), heard(Collected(), "m", 0, {"a": 1, "b": 2})
    for now_ms in range(0, 10_000, 250):
        log.sample(now_ms, collected)
    rows = list(log.rows())
    assert [row.time_ms for row in rows] == [7_000, 7_000, 8_000, 8_000, 9_000, 9_000]
    assert [row[1:] for row in rows[:2]] == [("m", "a", 1), ("m", "b", 2)]
    assert len(list(log.rows(after_ms=8_000))) == 2
    for number in range(5):
        log.happened(number, "kind", "text")
    assert [each.time_ms for each in log.happenings] == [3, 4]


# ---------------------------------------------------------------- alarm

QUIET = {"power_mw": 500_000, "voltage_mv_1": 230_000}
LIMITS = Limits(sources=())


@pytest.mark.parametrize(
    ("values", "kind", "what"),
    [
        ({"voltage_mv_1": 254_000}, "over_voltage", "voltage_mv_1"),
        ({"voltage_mv_1": 206_000}, "under_voltage", "voltage_mv_1"),
        ({"voltage_mv_1": 0}, "under_voltage", "voltage_mv_1"),
        ({"power_mw": 8_100_000}, "overload", ""),
        ({"power_mw": -8_100_000}, "overload", ""),
    ],
)
def test_an_alarm_rings_once_when_it_lasts_and_once_when_it_is_over(
    values: dict[str, int], kind: str, what: str
) -> None:
    """A moment is none; a value back within its limit, but not clearly, is not over yet."""
    alarms, rung = Alarms(), []
    course = [QUIET] * 3 + [QUIET | values] + [QUIET] * 3 + [QUIET | values] * 12 + [QUIET] * 12
    for number, now in enumerate(course):
        now_ms = number * 2_000
        alarms, rang = judged(LIMITS, alarms, heard(Collected(), METER, now_ms, now), now_ms)
        rung += rang
    assert [(each.kind, each.what, each.opened) for each in rung] == [(kind, what, True), (kind, what, False)]
    assert alarms.open == ()


def test_a_value_at_its_limit_keeps_its_alarm() -> None:
    """Hysteresis: 252 V is inside of the band, and not clearly so."""
    alarms = Alarms()
    for number, voltage_mv in enumerate([256_000] * 8 + [252_500] * 20):
        collected = heard(Collected(), METER, number * 2_000, {"voltage_mv": voltage_mv})
        alarms, _ = judged(LIMITS, alarms, collected, number * 2_000)
    assert [key.kind for key in alarms.open] == ["over_voltage"]


def test_a_source_that_falls_silent_is_missed() -> None:
    """Also one that never spoke; it is over when it speaks again."""
    limits, alarms, rung = Limits(sources=(METER, "boiler")), Alarms(), []
    collected = Collected()
    for second in range(0, 900, 5):
        if second < 300 or second > 700:
            collected = heard(collected, METER, second * 1_000, QUIET)
        alarms, rang = judged(limits, alarms, collected, second * 1_000)
        rung += rang
    assert [(each.what, each.opened) for each in rung] == [("boiler", True), (METER, True), (METER, False)]
    assert [key.what for key in alarms.open] == ["boiler"]


def test_a_strategy_that_is_refused_again_and_again_is_astray() -> None:
    """Three in a row; one that is taken ends it."""
    home = Home()
    for _ in range(3):
        home.do(Answered(home.now_ms, "PRICE_OUT_OF_BAND"))
    home.do(Ticked(home.now_ms + 20_000))
    assert home.rung == [Rung("strategy_astray", "refused", True, 0)]
    home.do(Answered(home.now_ms + 30_000, "OK"))
    home.do(Ticked(home.now_ms + 50_000))
    assert [each.opened for each in home.rung] == [True, False]
    assert [each.kind for each in home.agent.log.happenings][-3:] == ["refused", "alarm", "alarm"]


# ---------------------------------------------------------------- trade


class Greedy(msgspec.Struct, frozen=True):
    price_micro: int

    def decide(self, outlook: Outlook) -> tuple[Order, ...]:
        return (Order(BID, 900, self.price_micro), Order(BID, 100, 1_000))


def forecasted(home: Home, load_wh: int = 2_000, generation_wh: int = 0) -> Effects:
    delivery = Forecast(home.now_ms + HOUR_MS, home.now_ms + 2 * HOUR_MS, load_wh, generation_wh)
    return home.do(Forecasted(home.now_ms, delivery))


def test_a_forecast_becomes_calls_of_the_market() -> None:
    """With the delivery's times and what the battery will not cover; without prices nothing is decided."""
    home = Home(family("one"))
    (call,) = forecasted(home).calls
    assert (call.contract, call.function) == ("market", "bid")
    assert call.arguments == {
        "market": "north",
        "point": "north:h1",
        "energy_wh": 2_000,
        "price_micro": 330_000,
        "from_ms": home.now_ms + HOUR_MS,
        "until_ms": home.now_ms + 2 * HOUR_MS,
    }
    boarded = Home(family("one"), board=True)
    assert [forecasted(boarded, *energy).calls[0].function for energy in ((900, 0), (0, 900))] == ["request", "offer"]
    unpriced = Agent(Settings("p", "m", family("one"), FixedPrice()))
    assert unpriced.step(Forecasted(0, Forecast(0, HOUR_MS, 1, 0))).calls == ()


def test_the_battery_is_asked_before_the_market() -> None:
    """5 kWh at half: 1.92 kWh can be given in the hour, so that 80 Wh are bought."""
    (call,) = forecasted(Home()).calls
    assert call.arguments["energy_wh"] == 2_000 - 1_920


def test_orders_beyond_the_owners_bounds_are_withheld_and_said() -> None:
    """The others go out."""
    home = Home(family("one"), strategy=Greedy(900_000), bounds=Bounds(most_bid_micro=300_000))
    assert [call.arguments["energy_wh"] for call in forecasted(home).calls] == [100]
    home.do(Ticked(home.now_ms + 20_000))
    assert home.rung == [Rung("strategy_astray", "beyond the owner's bounds", True, 0)]


def test_a_follower_hears_how_its_order_went() -> None:
    """Unmatched, it offers more; matched, less, from the price that was paid."""
    strategy: Strategy = PriceFollower(5_000)
    home = Home(family("one"), strategy=strategy)
    first = forecasted(home).calls[0].arguments["price_micro"]
    unmatched = forecasted(home).calls[0].arguments["price_micro"]
    assert unmatched == first + 5_000
    home.do(Traded(home.now_ms, home.now_ms, home.now_ms + HOUR_MS, 2_000, 150_000))
    assert forecasted(home).calls[0].arguments["price_micro"] == 145_000


def test_the_battery_delivers_what_was_sold() -> None:
    """1 kW sold for the hour: the meter shows 1 kW out, whatever the house does meanwhile."""
    home = Home(family("one", battery=HOME_BATTERY))
    home.run(4)
    home.do(Traded(home.now_ms, home.now_ms, home.now_ms + HOUR_MS, -600, 200_000))
    before_wh = home.state.flowed.export_nwh // NWH_PER_WH
    home.run(4)
    assert home.state.flowed.export_nwh // NWH_PER_WH - before_wh == pytest.approx(600, rel=0.15)
    assert home.agent.delivery_w(home.now_ms - 1) == -600
    assert home.agent.delivery_w(home.now_ms) is None


# ---------------------------------------------------------------- control


def test_machines_wait_for_the_sun_the_smallest_first() -> None:
    """Washing takes 629 W on average, dishes 687, warm water 2,000."""
    washed = plan(HOUSE, Preferences(), View(300.0, 1_100.0, 330_000)).held
    assert washed == {"boiler", "dishes"}
    assert plan(HOUSE, Preferences(), View(300.0, 300.0, 330_000)).held == {"boiler", "washing", "dishes"}
    assert plan(HOUSE, Preferences(), View(0.0, 4_000.0, 330_000)).held == frozenset()
    assert plan(HOUSE, Preferences(cheap_micro=50_000), View(300.0, 0.0, 50_000)).held == frozenset()


def test_a_response_makes_everything_wait_and_the_car_lend() -> None:
    """Plugs only where the people said so."""
    wanted = plan(HOUSE, Preferences(sheds=("plug",), lends_car=True), View(300.0, 0.0, 1, responding=True))
    assert wanted.held == {"boiler", "washing", "dishes", "refrigerator", "plug"}
    assert wanted.vehicle_w == -5_000.0
    assert plan(HOUSE, Preferences(), View(300.0, 0.0, 1, responding=True)).vehicle_w == 0.0


def test_an_agent_buys_less_from_the_grid() -> None:
    """Two weeks of June in the same house: a tenth less imported at least, by waiting for the sun alone."""
    minded, left = Home(), Home(minded=False)
    for home in (minded, left):
        home.run(96 * 14)
    assert minded.import_wh < 0.9 * left.import_wh
    assert minded.state.vehicle is not None
    assert minded.state.vehicle.elsewhere_nwh == 0
    assert min(load.runs for load in minded.state.loads) >= 5
    assert 45 < HOUSE.thermostats[1].temperature_c(minded.state.warm[1].heat_nwh) < 64


# ---------------------------------------------------------------- demand response


def test_less_is_measured_against_a_baseline_that_was_stated_before() -> None:
    """A week of evenings, then a call: stated when it begins, delivered is what was not taken."""
    whenever = Preferences(cheap_micro=TERMS.retail_micro)
    home = Home(family("one", vehicle=LENDING, boiler=True), preferences=whenever)
    home.run(96 * 7 + 64)
    call = Call("c1", home.now_ms + 2 * INTERVAL_MS, 4 * INTERVAL_MS, 1_500)
    home.do(Asked(home.now_ms, call))
    home.do(Asked(home.now_ms, call))
    home.run(7)
    begun, measured = home.responses
    assert (begun.status, measured.status) == (RUNNING, MEASURED)
    assert begun.baseline_mwh == measured.baseline_mwh
    assert begun.baseline_mwh is not None
    assert measured.delivered_mwh is not None
    assert measured.delivered_mwh > sum(begun.baseline_mwh) // 2 > 1_000_000
    assert measured.asked_mwh == 1_500_000
    past = home.agent.responses.past
    assert len(past.called) == 1


def test_a_house_may_opt_out() -> None:
    """Before: nothing happens. While it runs: measured up to there, and everything runs again."""
    home = Home(family("one", boiler=True))
    home.run(96 * 4)
    early = Call("early", home.now_ms + INTERVAL_MS, 4 * INTERVAL_MS, 500)
    home.do(Asked(home.now_ms, early))
    home.do(OptedOut(home.now_ms, "early"))
    home.run(2)
    assert home.responses == []
    assert home.agent.responses.calls[-1].status == OPTED_OUT
    late = Call("late", home.now_ms + INTERVAL_MS, 8 * INTERVAL_MS, 500)
    home.do(Asked(home.now_ms, late))
    home.run(3)
    assert "refrigerator" in home.wanted.held
    home.do(OptedOut(home.now_ms, "late"))
    assert "refrigerator" not in home.wanted.held
    home.run(1)
    measured = home.responses[-1]
    assert (measured.status, measured.until_ms) == (MEASURED, late.from_ms + 2 * INTERVAL_MS)


def test_a_baseline_is_of_the_last_ten_days_without_a_call() -> None:
    """The same quarter of the day; days with a call, later days and what was never read do not count."""
    quarter, day = 72, 30
    rows = {each: [-1] * INTERVALS for each in range(day + 2)}
    for each, row in rows.items():
        row[quarter] = 1_000 * each
    rows[25][quarter] = -1
    past = Past({each: tuple(row) for each, row in rows.items()}, called=frozenset({28, 29}))
    call = Call("c1", day * DAY_MS + quarter * INTERVAL_MS, INTERVAL_MS, 500)
    like = [27, 26, 24, 23, 22, 21, 20, 19, 18, 17]
    assert baseline(past, call) == (sum(like) * 1_000 // 10,)
    few = Past({each: past.days[each] for each in (26, 27, 28)}, past.called)
    assert baseline(few, call) is None


def test_a_house_without_a_past_has_no_baseline() -> None:
    """Unknown, and not zero."""
    home = Home()
    home.run(2)
    home.do(Asked(home.now_ms, Call("c1", home.now_ms + INTERVAL_MS, INTERVAL_MS, 500)))
    home.run(3)
    assert home.responses[-1].status == MEASURED
    assert (home.responses[-1].baseline_mwh, home.responses[-1].delivered_mwh) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"from_ms": JUNE_MS - INTERVAL_MS},
        {"from_ms": JUNE_MS + 1},
        {"from_ms": JUNE_MS + DAY_MS},
        {"duration_ms": 0},
        {"duration_ms": 2 * DAY_MS},
        {"less_w": 0},
    ],
)
def test_a_call_that_cannot_be_followed_is_refused(changes: dict[str, int]) -> None:
    """In the past, not whole, for nothing, or while another one runs."""
    home = Home()
    home.do(Asked(JUNE_MS, Call("there", JUNE_MS + DAY_MS, INTERVAL_MS, 500)))
    fields: dict[str, Any] = {"id": "c1", "from_ms": JUNE_MS + HOUR_MS, "duration_ms": HOUR_MS, "less_w": 500}
    with pytest.raises(BadRequest):
        home.do(Asked(JUNE_MS, Call(**fields | changes)))


# ---------------------------------------------------------------- what the ledger stops


def sunny() -> Home:
    """3 kW of sun, a load of 400 W, at the connection as it is."""
    home = Home()
    home.tell({"power_mw": -2_600_000, "voltage_mv": 230_000}, 3_000_000, 0, 0)
    return home


def test_a_trade_that_the_ledger_ends_is_delivered_no_more() -> None:
    """The battery is its own again; one that is told twice is one."""
    home = sunny()
    sold = Traded(home.now_ms, home.now_ms, home.now_ms + INTERVAL_MS, -500, 200_000, number=7)
    for _ in range(2):
        home.do(sold)
    assert home.agent.delivery_w(home.now_ms) == -2_000
    assert home.wanted.battery_w == pytest.approx(600)
    home.do(Ended(home.now_ms, 7, "curtailed"))
    assert (home.agent.delivery_w(home.now_ms), home.wanted.battery_w) == (None, None)
    assert home.agent.log.happenings[-1].text == "#7 ended: curtailed"


def test_a_feeder_that_takes_nothing_back_curtails_the_sun() -> None:
    """Nothing leaves but what a running trade has sold; then nothing at all; until the feeder can again, or its time
    is over."""
    home = sunny()
    home.do(Traded(home.now_ms, home.now_ms, home.now_ms + INTERVAL_MS, -250, 200_000, number=7))
    home.do(Halted(home.now_ms, "reverse", home.now_ms + 2 * INTERVAL_MS))
    assert home.wanted.export_limit_w == pytest.approx(1_000)
    home.do(Ended(home.now_ms, 7, "curtailed"))
    assert home.wanted.export_limit_w == 0
    moment = next(each for each in home.moments if each.at_ms % DAY_MS == 12 * HOUR_MS)
    _, _, flowed = step(HOUSE, Standing.begun(HOUSE, level_micro=1_000_000), moment, home.wanted)
    assert flowed.export_nwh == 0 < flowed.curtailed_nwh
    home.do(Resumed(home.now_ms, "reverse"))
    assert home.wanted.export_limit_w is None
    home.do(Halted(home.now_ms, "reverse", home.now_ms + 1_000))
    home.do(Ticked(home.now_ms + 1_000))
    assert home.wanted.export_limit_w is None


def test_a_feeder_that_is_loaded_to_its_limit_makes_wait_what_can() -> None:
    """As a demand response does."""
    home = sunny()
    assert "washing" not in home.wanted.held
    home.do(Halted(home.now_ms, "forward"))
    assert {"boiler", "refrigerator", "washing"} <= home.wanted.held
    assert home.wanted.vehicle_w == 0
    home.do(Ticked(home.now_ms + DAY_MS))
    assert "washing" in home.wanted.held, "until it says so"
    home.do(Resumed(home.now_ms, "forward"))
    assert "washing" not in home.wanted.held
