"""Which column of a file is what, and in which unit.

A header is a name and perhaps a unit: `load_kwh`, `Consumption [W]`, `pv (kW)`. Names are looked up in `KNOWN` without
regard to case, blanks and signs. The caller may say which header is which quantity, and which unit it has; that wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ledgernode.errors import HistoryInvalid

TIME, HOUSE, LOAD, PV, PRICE = "time", "house", "load", "pv", "price"
MONTH, HOUR, DAY_TYPE = "month", "hour", "day_type"
QUANTITIES: Final = (TIME, HOUSE, LOAD, PV, PRICE, MONTH, HOUR, DAY_TYPE)
PER_KW: Final = "W/kW"
"""Of generation: W for each kW that is installed."""
UNITS: Final = ("W", "kW", "Wh", "kWh", PER_KW)
PRICES: Final = ("per kWh", "per MWh")

KNOWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("time", "timestamp", "datetime", "date_time", "utc_timestamp", "cet_cest_timestamp", "start"), TIME
    ),
    **dict.fromkeys(("house", "house_id", "household", "building", "dataid", "meter", "meter_id", "customer"), HOUSE),
    **dict.fromkeys(("load", "consumption", "demand", "use", "usage", "household_load", "non_shiftable_load"), LOAD),
    **dict.fromkeys(("electricity_consumption", "energy_consumption", "verbrauch", "consumo"), LOAD),
    **dict.fromkeys(("pv", "solar", "generation", "production", "solar_generation", "pv_generation", "erzeugung"), PV),
    **dict.fromkeys(("price", "tariff", "electricity_pricing", "retail_price"), PRICE),
    "month": MONTH,
    "hour": HOUR,
    "day_type": DAY_TYPE,
}
OWN_UNITS: Final[Mapping[str, str]] = {
    "non_shiftable_load": "kWh",
    "solar_generation": PER_KW,
    "electricity_pricing": "per kWh",
}
"""Names of published data sets whose unit stands in their description, not in the header."""
_UNIT: Final = re.compile(r"^(?P<name>.*?)(?:[\s_\-.]+|\s*[\[(]\s*)(?P<unit>kwh|wh|kw|w)\s*[\])]?$", re.IGNORECASE)
_HUGE: Final = re.compile(r"[\s_\[(](?P<unit>[MG]Wh?)[\])]?$")
_BY_TEXT: Final = {unit.lower(): unit for unit in UNITS}


class Column(msgspec.Struct, frozen=True):
    """Where a quantity stands; the unit is empty where none is needed."""

    place: int
    header: str
    unit: str = ""


def found_columns(
    file: str, headers: Sequence[str], named: Mapping[str, str], units: Mapping[str, str]
) -> dict[str, Column]:
    """Each quantity's column. Refuses two columns for one quantity, and one whose unit nobody says."""
    found: dict[str, Column] = {}
    for quantity, header in named.items():
        if header not in headers:
            raise HistoryInvalid(
                f"{file}: there is no column {header!r} for {quantity}; there are {_listed(headers)}", file=file
            )
        found[quantity] = Column(headers.index(header), header)
    taken = {column.place for column in found.values()}
    for place, header in enumerate(headers):
        quantity = KNOWN.get(_plain(header)) or KNOWN.get(_plain(_without_unit(header)), "")
        if not quantity or quantity in named or place in taken:
            continue
        if quantity in found:
            raise HistoryInvalid(
                f"{file}: {found[quantity].header!r} and {header!r} both look like {quantity}; "
                f"say --column {quantity}=HEADER",
                file=file,
                column=header,
            )
        found[quantity] = Column(place, header)
    for quantity in (LOAD, PV, PRICE):
        if quantity in found:
            column = found[quantity]
            found[quantity] = msgspec.structs.replace(column, unit=_unit(file, quantity, column.header, units))
    return found


def _unit(file: str, quantity: str, header: str, units: Mapping[str, str]) -> str:
    if quantity in units:
        return units[quantity]
    if quantity == PRICE:
        return OWN_UNITS.get(_plain(header), "per kWh")
    huge = _HUGE.search(header)
    if huge is not None:
        raise HistoryInvalid(
            f"{file}: column {header!r} is in {huge['unit']}, which no house is measured in; if it is, say "
            f"--unit {quantity}=UNIT with one of {', '.join(UNITS)}",
            file=file,
            column=header,
        )
    own = OWN_UNITS.get(_plain(header))
    if own is not None:
        return own
    said = _UNIT.match(header.strip())
    if said is None:
        raise HistoryInvalid(
            f"{file}: column {header!r} has no unit; name it {quantity}_kwh, or say --unit {quantity}=UNIT with one of "
            f"{', '.join(UNITS)}",
            file=file,
            column=header,
        )
    return _BY_TEXT[said["unit"].lower()]


def unit_named(quantity: str, text: str) -> str:
    """A unit as somebody wrote it; refuses others than ours."""
    known = {unit.lower(): unit for unit in (PRICES if quantity == PRICE else UNITS)}
    if text.lower() not in known or (text.lower() == PER_KW.lower() and quantity != PV):
        raise HistoryInvalid(f"{text!r} is no unit of {quantity}: it is one of {', '.join(known.values())}")
    return known[text.lower()]


def _without_unit(header: str) -> str:
    said, huge = _UNIT.match(header.strip()), _HUGE.search(header.strip())
    if huge is not None:
        return header.strip()[: huge.start()]
    return said["name"] if said is not None else header


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", header.strip().lower()).strip("_")


def _listed(headers: Sequence[str]) -> str:
    return ", ".join(repr(header) for header in headers[:20])
