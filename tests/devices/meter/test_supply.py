"""When the load has power, and when the clock is believed."""

from __future__ import annotations

from typing import Any

import pytest

from devices.meter.events import BlockSupply, ClockSynced, Phase, PowerLost, PowerRestored, SetClock, Tampered, Ticked
from devices.meter.settings import CLOCK_EVERY_MS, CLOCK_STEP_MS, DAY_MS, MINUTE_MS, OVERLOAD_MS
from ledgernode.sts.keys import Secret
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import ClearTamper, MaximumPower, PhaseUnbalance
from tests.devices.meter.house import KWH, House


def with_credit(**changes: Any) -> House:
    house = House(**changes)
    house.recharge(10)
    return house


def wait_after_outage(house: House) -> int:
    house.do(PowerLost(house.now_ms))
    house.do(PowerRestored(house.now_ms))
    waited_ms = 0
    while not house.supplied:
        house.wait(1_000)
        waited_ms += 1_000
    return waited_ms


def test_supply_comes_back_after_an_outage_within_a_bound_and_apart_from_others() -> None:
    """Each house, and each outage, at a moment of its own."""
    houses = [with_credit(hardware_secret=Secret(bytes((at,)) * 32)) for at in range(12)]
    waits = [wait_after_outage(house) for house in houses]
    assert all(wait <= house.settings.reconnect_ms + 1_000 for wait, house in zip(waits, houses, strict=True))
    assert len(set(waits)) > 6
    assert max(waits) - min(waits) > MINUTE_MS
    assert len({wait_after_outage(houses[0]) for _ in range(5)}) > 1


def test_a_restart_does_not_shorten_the_wait() -> None:
    """The moment is on the disk."""
    house = with_credit()
    house.do(PowerLost(house.now_ms))
    house.restart(mains=False)
    assert (house.supplied, house.display[0].strip()) == (False, "NO MAINS")
    house.restart()
    until_ms = house.state.supply.reconnect_ms
    house.restart()
    assert house.state.supply.reconnect_ms == until_ms
    assert house.display[0].strip() == "POWER IS BACK"
    house.wait(until_ms - house.now_ms)
    assert house.supplied


def test_supply_stays_off_after_an_outage_without_credit_or_when_tampered_with() -> None:
    """Balance and tamper decide first."""
    empty, opened = House(), with_credit()
    opened.do(Tampered(opened.now_ms, "cover"))
    for house in (empty, opened):
        house.do(PowerLost(house.now_ms))
        house.do(PowerRestored(house.now_ms))
        house.wait(DAY_MS)
        assert not house.supplied
    opened.type_token(opened.mint(ClearTamper(tid=Tid(opened.tid + 1), random=0)))
    assert opened.supplied


def test_metering_goes_on_through_an_outage() -> None:
    """The unit works on its battery: tokens too."""
    house = with_credit()
    house.do(PowerLost(house.now_ms))
    house.recharge(1)
    assert house.balance_mwh == 11 * KWH


def test_a_blocked_supply_opens_and_credit_stays() -> None:
    """And closes when it is unblocked."""
    house = with_credit()
    assert house.command(1, BlockSupply(True)) == "OK"
    assert (house.supplied, house.display[0].strip(), house.balance_mwh) == (False, "SUPPLY BLOCKED", 10 * KWH)
    house.command(2, BlockSupply(False))
    assert house.supplied


def test_too_much_power_opens_for_a_minute() -> None:
    """A limit that a token has set, of the sum or of the difference between phases."""
    house = with_credit(phases=3)
    house.type_token(house.mint(MaximumPower(tid=Tid(1), limit_w=2_000, random=0)))
    house.type_token(house.mint(PhaseUnbalance(tid=Tid(2), limit_w=600, random=0)))
    house.use(1, tuple(Phase(230_000, 2_000, milliwatts, 0) for milliwatts in (700_000, 700_000, 600_000)))
    assert house.supplied
    for powers_w in ((700, 700, 601), (1_000, 300, 300)):
        house.use(1, tuple(Phase(230_000, 2_000, 1_000 * watts, 0) for watts in powers_w))
        assert not house.supplied
        house.wait(OVERLOAD_MS)
        assert house.supplied
    assert [alarm.kind for alarm in house.alarms][-2:] == ["OVERLOAD", "UNBALANCE"]


def test_a_gateway_moves_the_clock_by_little_and_seldom() -> None:
    """The utility's own command sets it by whatever is needed."""
    house = House()
    house.do(ClockSynced(house.now_ms, house.now_ms + 3_000))
    assert house.state.clock.offset_ms == 3_000
    house.do(ClockSynced(house.now_ms, house.now_ms + 50_000))
    assert house.state.clock.offset_ms == 3_000, "too soon"
    house.wait(CLOCK_EVERY_MS)
    house.do(ClockSynced(house.now_ms, house.now_ms + DAY_MS))
    assert house.state.clock.offset_ms == 3_000 + CLOCK_STEP_MS
    assert house.alarms[-1].kind == "CLOCK_DIFFERS"
    house.command(1, SetClock(house.now_ms + DAY_MS))
    assert house.state.clock.offset_ms == DAY_MS


@pytest.mark.parametrize("by_ms", [DAY_MS, -DAY_MS])
def test_what_is_waited_for_moves_with_the_clock(by_ms: int) -> None:
    """A clock that is set neither ends a wait nor makes it a day longer."""
    house = with_credit()
    house.type_token(house.mint(MaximumPower(tid=Tid(1), limit_w=100, random=0)))
    house.use(1, (Phase(230_000, 2_000, 400_000, 0),))
    house.command(1, SetClock(house.now_ms + by_ms))
    house.wait(OVERLOAD_MS - 1)
    assert not house.supplied
    house.wait(1)
    assert house.supplied


def test_readings_of_a_clock_that_was_years_ahead_are_dropped_when_it_is_set() -> None:
    """The ledger refuses them until that time has come; the meter's next ones are taken."""
    house = with_credit()
    house.link()
    house.wait(house.settings.send_ms)
    house.receipt_all()
    true_ms, readings = house.now_ms, house.state.numbers.reading
    house.now_ms += 700 * DAY_MS
    house.do(Ticked(house.now_ms))
    house.wait(house.settings.send_ms)
    [batch] = [each for each in house.state.outbox if each.function == "record"]
    house.receipt(batch, "metering.IN_FUTURE")
    house.command(1, SetClock(true_ms + 1_000))
    assert [each.function for each in house.state.outbox if each.function == "record"] == []
    house.wait(MINUTE_MS)
    [reading] = house.state.readings
    assert reading.sequence > readings
    assert true_ms < reading.time_ms <= true_ms + MINUTE_MS + 1_000


def test_a_meter_that_lost_the_time_keeps_counting_and_takes_no_readings() -> None:
    """What is waited for is waited for as long as before; then any time after the last reading is believed."""
    house = with_credit()
    true_ms = house.now_ms
    readings = len(house.state.readings)
    house.do(PowerLost(house.now_ms))
    house.now_ms = 1_000
    house.restart()
    house.wait(house.settings.reconnect_ms + 1)
    assert house.supplied
    house.wait(10 * MINUTE_MS)
    house.use(KWH)
    assert (house.balance_mwh, len(house.state.readings)) == (9 * KWH, readings)
    house.do(ClockSynced(house.now_ms, true_ms - DAY_MS))
    assert not house.state.clock.valid
    house.do(ClockSynced(house.now_ms, true_ms + DAY_MS))
    assert house.state.clock.valid
    assert house.state.readings[-1].time_ms == true_ms + DAY_MS
