"""What a message says of a device's registers, in whole numbers of the ledger's units.

Numbers are read as decimals, never as floats: 514.153 kWh is 514,153,000 mWh, and not a hair less. What has no unit,
is not finite, lies below zero or beyond what a register can hold, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final, NoReturn

import msgspec

from ledgernode.errors import ReadingInvalid

LARGEST: Final = (1 << 53) - 1
PAYLOAD_BYTES: Final = 64 * 1024
_DIGITS: Final = 40
_EARLIEST_MS: Final = 1_577_836_800_000  # 2020: no device of ours is older, and unset clocks say 1970

MWH_PER: Final = {"mwh": 1, "wh": 1_000, "kwh": 1_000_000, "mwh_mega": 1_000_000_000}
"""By unit, as devices write it but for upper case; `MWh` is looked up before (`energy_unit`)."""
MWH_PER_WATT_MINUTE: Final = Decimal(1_000) / 60


class Observed(msgspec.Struct, frozen=True):
    """One look at a device. None is what the message does not say; `time_ms` None: when it arrived."""

    channel: str
    import_mwh: int | None = None
    export_mwh: int | None = None
    time_ms: int | None = None
    values: dict[str, int] = {}
    """Beside the registers: name with its unit last (`voltage_mv`, `power_l2_mw`)."""


def document(payload: bytes) -> dict[str, Any]:
    """A JSON object with exact numbers. Refuses everything else."""
    found = json_value(payload)
    if not isinstance(found, dict):
        raise ReadingInvalid("the payload is no JSON object")
    return found


def json_value(payload: bytes) -> Any:
    if len(payload) > PAYLOAD_BYTES:
        raise ReadingInvalid(f"a payload has at most {PAYLOAD_BYTES} bytes")
    try:
        return json.loads(payload.decode("utf-8"), parse_float=Decimal, parse_constant=_not_finite)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise ReadingInvalid("the payload is no JSON") from error


def part(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object within an object; an empty one where there is none."""
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def whole(value: object, per_unit: Decimal | int, *, least: int = 0) -> int:
    """So many of the ledger's units, to the nearest. Refuses what is no number, or out of range."""
    number = exact(value)
    with localcontext(prec=3 * _DIGITS):
        scaled = int((number * per_unit).to_integral_value()) if number.adjusted() > -_DIGITS else 0
    if not least <= scaled <= LARGEST:
        raise ReadingInvalid(f"{number} is beyond what a register or sensor shows")
    return scaled


def exact(value: object) -> Decimal:
    """A finite decimal, of a JSON number or a number in text. Refuses truth values, and what no sum is made with."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ReadingInvalid("what should be a number is none")
    if isinstance(value, int) and value.bit_length() > 4 * _DIGITS:
        raise ReadingInvalid("a number is absurdly long")
    if isinstance(value, str) and not (value.isascii() and 0 < len(value) <= _DIGITS and "_" not in value):
        raise ReadingInvalid("what should be a number is none")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ReadingInvalid("what should be a number is none") from error
    if not number.is_finite():
        raise ReadingInvalid("a number is not finite")
    if number.adjusted() > _DIGITS or len(number.as_tuple().digits) > _DIGITS:
        raise ReadingInvalid("a number is absurdly long")
    return number


def energy(value: object, unit: str) -> int:
    """A register in mWh; an array is one of phases, and counts as their sum."""
    if isinstance(value, list):
        if not 1 <= len(value) <= 3:
            raise ReadingInvalid("a register has one to three phases")
        return sum(whole(one, energy_unit(unit)) for one in value)
    return whole(value, energy_unit(unit))


def energy_unit(unit: str) -> int:
    """mWh of one. Refuses units that are not of energy: kW is no kWh."""
    per = MWH_PER.get("mwh_mega" if unit == "MWh" else unit.lower())
    if per is None:
        raise ReadingInvalid(f"{unit[:20]!r} is no unit of energy")
    return per


def measures(found: Mapping[str, Any], names: Mapping[str, tuple[str, str, int]]) -> dict[str, int]:
    """What stands beside the registers: by the device's word, (our word, unit, of how many). Absent or null: left out.

    Of arrays each phase by itself. What cannot be read is left out too: a meter is not stopped by a broken sensor.
    """
    values: dict[str, int] = {}
    for theirs, (ours, unit, per_unit) in names.items():
        said = found.get(theirs)
        phases = said if isinstance(said, list) else [said]
        for at, one in enumerate(phases[:3], 1):
            phase = f"_l{at}" if len(phases) > 1 else ""
            try:
                values[f"{ours}{phase}_{unit}"] = whole(one, per_unit, least=-LARGEST)
            except ReadingInvalid:
                continue
    return values


def moment(value: object) -> int | None:
    """UTC milliseconds of an ISO time with its zone, or of a number of seconds or milliseconds since 1970.

    None for a time without zone (it may be off by hours, and twice the same in autumn), and for a clock that was
    never set: the time of arrival counts then.
    """
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = exact(value)
        found = whole(number, 1 if number.adjusted() >= 11 else 1_000)
    elif isinstance(value, str) and len(value) <= _DIGITS:
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return None
        if read.tzinfo is None:
            return None
        found = int(read.timestamp() * 1_000)
    else:
        return None
    return found if found >= _EARLIEST_MS else None


def _not_finite(name: str) -> NoReturn:
    raise ReadingInvalid(f"{name} is no reading")
