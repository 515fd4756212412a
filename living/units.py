"""Units of a community, and the same in words."""

from __future__ import annotations

from typing import Final

MINUTE_MS: Final = 60_000
INTERVAL_MS: Final = 900_000
DAY_MS: Final = 86_400_000
DIGITS: Final = 4
"""Of the money: a minor unit is a hundredth of a cent."""
MINOR_PER_CENT: Final = 10 ** (DIGITS - 2)
MICRO_PER_CENT: Final = 10_000
MWH_PER_KWH: Final = 1_000_000
NWH_PER_MWH: Final = 1_000_000


def kwh(energy_mwh: int) -> str:
    return f"{energy_mwh / MWH_PER_KWH:.3f} kWh"


def cents(price_micro: int) -> str:
    return f"{price_micro / MICRO_PER_CENT:.2f} ct/kWh"


def money(amount_minor: int) -> str:
    return f"{amount_minor / MINOR_PER_CENT / 100:.4f} EUR"


def clock(time_ms: int) -> str:
    """The time of the ledger's day."""
    minutes, _ = divmod(time_ms // 1_000, 60)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
