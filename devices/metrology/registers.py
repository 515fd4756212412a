"""Energy registers: integers that only grow.

Active energy has two, import and export. Reactive energy has four, one a quadrant, and is never netted with active:

    q2  export, current lags  |  q1  import, current lags
    --------------------------+--------------------------
    q3  export, current leads |  q4  import, current leads

They count nWh and nvarh, so that a window of a small load is not rounded away. What is shown, reported and signed is
mWh and mvarh, rounded down: what is left over stays in the register for the next window.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from ledgernode.errors import RegistersDamaged

_NANO_PER_MILLI: Final = 1_000_000
_UJ_PER_NWH: Final = 3.6
_LAYOUT: Final = struct.Struct(">B6Q")
_FORMAT: Final = 1
_LARGEST: Final = (1 << 64) - 1
"""18 GWh: a house fills it in half a thousand years."""


class Registers(msgspec.Struct, frozen=True):
    """As they stand in the meter; the properties are as it shows them."""

    import_nwh: int = 0
    export_nwh: int = 0
    q1_nvarh: int = 0
    q2_nvarh: int = 0
    q3_nvarh: int = 0
    q4_nvarh: int = 0

    @property
    def import_mwh(self) -> int:
        return self.import_nwh // _NANO_PER_MILLI

    @property
    def export_mwh(self) -> int:
        return self.export_nwh // _NANO_PER_MILLI

    @property
    def quadrants_mvarh(self) -> tuple[int, int, int, int]:
        """Q1 to Q4."""
        together = (self.q1_nvarh, self.q2_nvarh, self.q3_nvarh, self.q4_nvarh)
        q1, q2, q3, q4 = (register // _NANO_PER_MILLI for register in together)
        return q1, q2, q3, q4


def posted(registers: Registers, power_w: float, reactive_var: float, duration_us: int) -> Registers:
    """The registers after a time at this power: one active and one reactive register grow, none ever falls."""
    return added(registers, _counted(power_w, duration_us), _counted(reactive_var, duration_us))


def added(registers: Registers, active: int, reactive: int) -> Registers:
    """The same for an amount in nWh and nvarh."""
    imports, lags = active >= 0, reactive >= 0
    growing = {(True, True): "q1", (False, True): "q2", (False, False): "q3", (True, False): "q4"}[imports, lags]
    after = msgspec.structs.asdict(registers)
    after["import_nwh" if imports else "export_nwh"] += abs(active)
    after[f"{growing}_nvarh"] += abs(reactive)
    assert max(after.values()) <= _LARGEST
    return Registers(**after)


def shown_growth(before: Registers, after: Registers) -> tuple[int, int]:
    """By how many mWh import and export, as shown, have grown: what prepaid credit falls by.

    Growths that follow each other sum to what is shown: a mWh counts when it is full, and once.
    """
    return after.import_mwh - before.import_mwh, after.export_mwh - before.export_mwh


def encode(registers: Registers) -> bytes:
    """What is written before power is lost."""
    return _LAYOUT.pack(_FORMAT, *msgspec.structs.astuple(registers))


def decode(content: bytes) -> Registers:
    if len(content) != _LAYOUT.size or content[0] != _FORMAT:
        raise RegistersDamaged("these bytes are no registers of this format")
    _, *values = _LAYOUT.unpack(content)
    return Registers(*values)


def _counted(power: float, duration_us: int) -> int:
    """Nano watt-hours, or var-hours, half to even."""
    return round(power * duration_us / _UJ_PER_NWH)
