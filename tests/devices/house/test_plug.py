"""A simulated plug is heard like a real one."""

from __future__ import annotations

import msgspec
import pytest

from devices.house.appliances import Plugged
from devices.house.catalogue import family
from devices.house.house import step
from devices.house.occupants import Doing
from devices.house.plug import is_on, sensor
from devices.house.standing import Moment, Standing, Wanted
from devices.house.weather import Air
from devices.house_shell.agent import plug_values
from devices.physics.energy import power_w
from gateway.edge.formats import Formats

PLUG = Plugged("plug", 110.0, 0.95)
TIME = "2026-06-20T19:15:00"


def test_the_gateway_and_the_agent_read_it() -> None:
    """Whole watt-hours of what went through it, and its power in the last step."""
    house = msgspec.structs.replace(family("one"), plugs=(PLUG,))
    state, said = Standing.begun(house), b""
    for number in range(8):
        before = state.plugs_nwh[0]
        moment = Moment(number * 900_000, 900_000, Air(172, 19.0), Doing(100.0, uses=("plug",)))
        state, phases, _ = step(house, state, moment, Wanted())
        passed = state.plugs_nwh[0]
        said = sensor(PLUG, passed, power_w(passed - before, 900_000), phases[0].voltage_mv, TIME)
    assert plug_values(said) == {
        "power_mw": 110_000,
        "energy_mwh": 220_000,
        "voltage_mv": 230_000,
        "current_ma": 503,
    }
    found = Formats().read("tele/plug/SENSOR", said)
    [observed] = found if isinstance(found, list | tuple) else [found]
    assert observed.import_mwh == 220_000
    assert observed.values["power_factor_milli"] == 950


def test_it_is_switched_as_such_plugs_are() -> None:
    """ON, OFF, TOGGLE; anything else changes nothing."""
    assert is_on(b"ON", False)
    assert not is_on(b"off", True)
    assert is_on(b"TOGGLE", False)
    assert is_on(b"PERHAPS", True)


@pytest.mark.parametrize("passed_wh", [0, 1, 999, 1_000, 514_153])
def test_its_total_is_in_kilowatt_hours(passed_wh: int) -> None:
    """Rounded down, so that nothing is counted that has not flowed."""
    said = sensor(PLUG, passed_wh * 1_000_000_000 + 999_999_999, 0.0, 230_000, TIME)
    assert plug_values(said)["energy_mwh"] == passed_wh * 1_000
