"""A smart plug as it is sold: what it says at a broker, and what it does when it is told.

Tasmota's words: `tele/<plug>/SENSOR` with kWh and W and a time without zone, `cmnd/<plug>/POWER` with ON or OFF. So a
simulated plug is heard by whatever hears a real one.
"""

from __future__ import annotations

import math

from devices.house.appliances import Plugged
from devices.physics.energy import NWH_PER_MWH

_KWH_DIGITS = 3


def sensor(plug: Plugged, passed_nwh: int, watts: float, voltage_mv: int, time: str) -> bytes:
    """What it says when so much has gone through it; `time` is written as its clock has it."""
    apparent_va = watts / plug.power_factor
    reactive_var = apparent_va * math.sin(math.acos(plug.power_factor))
    current_a = apparent_va * 1_000 / voltage_mv if voltage_mv else 0.0
    total_wh = passed_nwh // (NWH_PER_MWH * 1_000)  # three places of a kWh, rounded down
    kilo, rest = divmod(total_wh, 10**_KWH_DIGITS)
    return (
        f'{{"Time":"{time}","ENERGY":{{"Total":{kilo}.{rest:0{_KWH_DIGITS}d},"Power":{watts:.0f},'
        f'"ApparentPower":{apparent_va:.0f},"ReactivePower":{reactive_var:.0f},"Factor":{plug.power_factor:.2f},'
        f'"Voltage":{voltage_mv / 1_000:.0f},"Current":{current_a:.3f}}}}}'
    ).encode()


def is_on(payload: bytes, before: bool) -> bool:
    """Its relay after a command; what is no command changes nothing."""
    return {b"ON": True, b"1": True, b"OFF": False, b"0": False, b"TOGGLE": not before}.get(payload.upper(), before)
