"""What devices send by HTTP, in the ledger's units. Pure.

    {"readings": [{"unit": "kWh", "import": 514.153, "voltage_v": 231.2, "time": "2026-01-01T12:00:00Z"}]}
    {"envelopes": ["<base64 of a signed transaction>"]}

Numbers are decimals all the way. A register has its unit beside it, and what is beside registers has it in its name, so
that nothing is guessed. Refused, before any of a request counts: NaN, infinity, less than nothing, more than a house or
a line can be, names that are not known, times without zone, of another year, or out of order.
"""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal
from itertools import pairwise
from typing import Final

import msgspec

from gateway.edge.observed import LARGEST, Observed, energy, exact, moment, whole
from gateway.limits import Limits
from ledgernode.errors import BadRequest, ReadingInvalid
from ledgernode.wire.unreadable import UNREADABLE

AHEAD_MS: Final = 60_000
Phased = Decimal | list[Decimal] | None
"""As numbers, or as text of one; of phases."""

_MEASURES: Final = {
    "voltage_v": ("voltage", "mv", 1_000, 1_000_000),
    "current_a": ("current", "ma", 1_000, 100_000),
    "power_w": ("power", "mw", 1_000, 1_000_000_000),
    "reactive_var": ("reactive", "mvar", 1_000, 1_000_000_000),
    "power_factor": ("power_factor", "milli", 1_000, 1),
}
"""By name: ours, its unit, how many of it are one of theirs, and the most that is believed, in theirs."""


class ReadingForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One look at a device; without a time it is when it arrives. Arrays are of phases, up to three.

    Registers only grow: what came from the line (`import`), what went into it (`export`), or both.
    """

    unit: str
    imported: Phased = msgspec.field(default=None, name="import")
    exported: Phased = msgspec.field(default=None, name="export")
    time: str | int | None = None
    voltage_v: Phased = None
    current_a: Phased = None
    power_w: Phased = None
    reactive_var: Phased = None
    power_factor: Phased = None


class ReadingsForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either what a device shows, or what it has signed. `meter` is needed where a certificate says who sends."""

    readings: list[ReadingForm] = []
    envelopes: list[str] = []
    meter: str = ""


def read_form(body: bytes) -> ReadingsForm:
    """Refuses what is not the form above."""
    try:
        return msgspec.json.decode(body, type=ReadingsForm)
    except UNREADABLE as error:
        raise ReadingInvalid(f"the payload is not what a device sends: {error}") from error


def observed(readings: list[ReadingForm], now_ms: int, limits: Limits) -> list[Observed]:
    """All of them, or a refusal that says which one is why."""
    if not 1 <= len(readings) <= limits.message_items:
        raise ReadingInvalid(f"a request has 1 to {limits.message_items} readings")
    found: list[Observed] = []
    for at, reading in enumerate(readings, 1):
        try:
            found.append(_observed(reading, now_ms, limits))
        except ReadingInvalid as refusal:
            raise ReadingInvalid(f"reading {at}: {refusal}") from refusal
    times_ms = [one.time_ms or 0 for one in found]
    if len(found) > 1 and not all(before < after for before, after in pairwise([0, *times_ms])):
        raise ReadingInvalid("of several readings each has a time, later than that of the one before")
    return found


def _observed(reading: ReadingForm, now_ms: int, limits: Limits) -> Observed:
    if reading.imported is None and reading.exported is None:
        raise ReadingInvalid("a reading has a register: import, export, or both")
    time_ms = None if reading.time is None else _time(reading.time, now_ms, limits)
    values: dict[str, int] = {}
    for theirs, (ours, unit, per_unit, most) in _MEASURES.items():
        said = getattr(reading, theirs)
        phases = said if isinstance(said, list) else [said]
        if not 1 <= len(phases) <= 3:
            raise ReadingInvalid(f"{theirs} has one to three phases")
        for at, one in enumerate(phases, 1):
            if one is not None:
                if abs(exact(one)) > most:
                    raise ReadingInvalid(f"{theirs} of {str(one)[:20]} is not believed")
                phase = f"_l{at}" if len(phases) > 1 else ""
                values[f"{ours}{phase}_{unit}"] = whole(one, per_unit, least=-LARGEST)
    imported, exported = (
        None if one is None else energy(one, reading.unit) for one in (reading.imported, reading.exported)
    )
    return Observed("", imported, exported, time_ms, values)


def _time(said: str | int, now_ms: int, limits: Limits) -> int:
    time_ms = moment(said)
    if time_ms is None:
        raise ReadingInvalid("a time is ISO 8601 with its zone, or seconds or milliseconds since 1970, of this century")
    if time_ms > now_ms + AHEAD_MS:
        raise ReadingInvalid("the device's clock is ahead of ours")
    if time_ms < now_ms - limits.http_oldest_ms:
        raise ReadingInvalid("the device's clock is behind ours by more than readings are kept anywhere")
    return time_ms


def envelopes_of(form: ReadingsForm, limits: Limits) -> list[bytes]:
    """The bytes that were signed."""
    require_items(len(form.envelopes), limits)
    try:
        return [base64.b64decode(one, validate=True) for one in form.envelopes]
    except (binascii.Error, ValueError) as error:
        raise BadRequest("an envelope is written in base64") from error


def require_items(count: int, limits: Limits) -> None:
    if not 1 <= count <= limits.message_items:
        raise BadRequest(f"a request has 1 to {limits.message_items} items")
