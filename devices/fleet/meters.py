"""Keys and signatures of a fleet's meters.

Each meter's key is made of the fleet's secret and its place, so that a fleet keeps one secret instead of a hundred
thousand files. That is for simulated meters: a real one's key never leaves it, nor is it made of another's.
"""

from __future__ import annotations

import hashlib
import hmac
from itertools import count
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from devices.fleet.houses import Courses
from devices.fleet.plan import Reading
from ledgernode.client import Signer
from ledgernode.identity.keys import ORDER, PrivateKey
from ledgernode.wire.types import ChainId, IdentityId

COLUMNS: Final = ("voltage_mv", "current_ma", "power_mw", "reactive_mvar", "power_factor_milli")
BUDGET: Final = 20_000
"""A reading alone needs 3,700 units of the metering contract; one after a long gap more."""
VOLTAGE_MV: Final = 230_000
_NAMES: Final = ('{"columns":["' + '","'.join(COLUMNS) + '"],"rows":[[').encode()


def key_of(secret: bytes, place: int) -> PrivateKey:
    """The same at any time."""
    for attempt in count():
        drawn = hmac.digest(secret, b"meter %d %d" % (place, attempt), hashlib.sha256)
        number = int.from_bytes(drawn, "big")
        if 0 < number < ORDER:
            return PrivateKey(ec.derive_private_key(number, ec.SECP256R1()))
    raise AssertionError("some number fits")


class Meters:
    """Some of a fleet's meters, with their signers."""

    def __init__(self, secret: bytes, chain_id: ChainId, places: range, courses: Courses) -> None:
        self._first = places.start
        self._courses = courses
        self._signers = [Signer(key_of(secret, place), chain_id=chain_id) for place in places]
        self._places = {signer.identity: place for place, signer in zip(places, self._signers, strict=True)}

    def place_of(self, identity: bytes) -> int | None:
        """Whose permanent id this is; None for none of these."""
        return self._places.get(IdentityId(identity))

    def envelope(self, reading: Reading) -> bytes:
        """The signed transaction of a reading: the same bytes each time."""
        signer = self._signers[reading.place - self._first]
        row = self._row(reading)
        return signer.transaction("metering", "record", row, budget=BUDGET, sequence=reading.sequence).envelope

    def _row(self, reading: Reading) -> bytes:
        shown = self._courses.shown(reading.place, reading.time_ms)
        current_ma = abs(shown.power_mw) * 1_000 // VOLTAGE_MV
        row = (reading.sequence, reading.time_ms, shown.import_mwh, shown.export_mwh, 0)
        values = (VOLTAGE_MV, current_ma, shown.power_mw, 0, 1_000)
        return _NAMES + ",".join(map(str, (*row, *values))).encode() + b"]]}"
