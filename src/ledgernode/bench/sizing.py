"""What a ledger of so many meters takes of its machines: measured figures, carried on by plain arithmetic.

Pure: figures in, figures out. Each constant names the page that it was measured for; where two measurements differ the
dearer one is taken. `docs/sizing.md` shows the sums, and prints `page()`.

    python -m ledgernode.bench.sizing > table
"""

from __future__ import annotations

import math
import sys
from typing import Final

import msgspec

# processor time, microseconds
TRANSACTION_US: Final = 1_612
"""Of each validator for a reading that comes alone, blocks small (reliability.md, the soak on a machine of its own)."""
ROW_US: Final = 9
"""For each further reading of the same transaction: 0.2 ms of 24 (performance.md)."""
SETTLE_US: Final = 15
"""Settlement and billing, for each reading: 15.1 s of 1,003,370 (performance.md)."""
GATEWAY_US: Final = 868
"""Of gateways for each transaction (reliability.md)."""
MODEL_US: Final = 154
"""Of the read model for each reading, with all that goes beside it: 282 s of 1,836,144 (performance.md)."""
BUSY: Final = 0.5
"""So much of a core is planned for in the mean; the rest is for peaks, for catching up, and for snapshots."""

# bytes
ENVELOPE_BYTES: Final = 326
"""A signed reading (gateway.md)."""
ENVELOPE_ROW_BYTES: Final = 65
"""Each further one (gateway.md: 60 rows in one transaction, 65 on the wire)."""
DISK_BYTES: Final = 5_124
"""Of a validator for a transaction in small blocks: 149 MiB a day of 30,492 (small.md)."""
DISK_ROW_BYTES: Final = 93
"""For each further reading: 309 bytes a reading where 23.3 come together (performance.md)."""
MODEL_BYTES: Final = 926
"""Of the read model's database for each reading: 1,622 MiB of 1,836,144 (performance.md)."""

# machines
METERS_PER_GATEWAY: Final = 5_000
"""As many as were tried: 10,000 at two (reliability.md). No limit was found."""
NODE_MEMORY_MIB: Final = 311
"""At most, with a million readings (performance.md)."""
GATEWAY_MEMORY_MIB: Final = 93
"""(small.md)."""
LEAST_MODEL_CORES: Final = 1
LEDGERS_BY_VOTES: Final = 8
"""More are worth a common log, where there is a common operator to trust."""

_DAY_S: Final = 86_400
_YEAR_DAYS: Final = 365
_MINUTE_S: Final = 60
_MEGA: Final = 1_000_000
_GIGA: Final = 1_000_000_000
_PRUNED_DAYS: Final = 90


class Fleet(msgspec.Struct, frozen=True):
    """So many meters, a reading in so many minutes each, so many of them signed together."""

    meters: int
    period_minutes: int
    together: int = 1
    validators: int = 4


class Size(msgspec.Struct, frozen=True):
    """What it comes to. Of a validator where nothing else is said; all ledgers together."""

    engine: str
    ledgers: int
    readings_per_s: float
    transactions_per_s: float
    offered_bytes_per_s: float
    cores: float
    memory_mib: int
    network_bytes_per_s: float
    log_bytes_per_s: float
    disk_bytes_per_year: float
    disk_bytes_pruned: float
    gateways: int
    gateway_cores: float
    gateway_memory_mib: int
    model_cores: float
    model_bytes_per_year: float


def size(fleet: Fleet) -> Size:
    """The sums, in the order of the page."""
    readings = fleet.meters / (fleet.period_minutes * _MINUTE_S)
    transactions = readings / fleet.together
    more = fleet.together - 1
    envelope_bytes = ENVELOPE_BYTES + more * ENVELOPE_ROW_BYTES
    transaction_us = TRANSACTION_US + more * ROW_US + fleet.together * SETTLE_US
    cores = transactions * transaction_us / _MEGA
    ledgers = max(1, math.ceil(cores / BUSY))
    engine = engine_for(ledgers)
    others = (fleet.validators - 1) / fleet.validators
    # by PBFT a transaction is told when it is admitted, and again in its proposal; by a log it is told, and read
    copies = 2 * others if engine == "pbft" else others + 1
    disk_a_day = transactions * _DAY_S * (DISK_BYTES + more * DISK_ROW_BYTES)
    gateway_cores = transactions * GATEWAY_US / _MEGA
    gateways = max(2, math.ceil(fleet.meters / METERS_PER_GATEWAY), math.ceil(gateway_cores / BUSY))
    return Size(
        engine=engine,
        ledgers=ledgers,
        readings_per_s=readings,
        transactions_per_s=transactions,
        offered_bytes_per_s=transactions * envelope_bytes,
        cores=cores,
        memory_mib=ledgers * NODE_MEMORY_MIB,
        network_bytes_per_s=transactions * envelope_bytes * copies,
        log_bytes_per_s=transactions * envelope_bytes if engine == "jetstream" else 0.0,
        disk_bytes_per_year=disk_a_day * _YEAR_DAYS,
        disk_bytes_pruned=disk_a_day * _PRUNED_DAYS,
        gateways=gateways,
        gateway_cores=gateway_cores,
        gateway_memory_mib=gateways * GATEWAY_MEMORY_MIB,
        model_cores=max(LEAST_MODEL_CORES, readings * MODEL_US / _MEGA / BUSY),
        model_bytes_per_year=readings * _DAY_S * _YEAR_DAYS * MODEL_BYTES,
    )


def engine_for(ledgers: int) -> str:
    """Votes while a handful of ledgers do; a common log where their number makes a common operator worth its trust."""
    return "pbft" if ledgers <= LEDGERS_BY_VOTES else "jetstream"


# ------------------------------------------------------------ the page

STEPS: Final = (10_000, 100_000, 1_000_000, 10_000_000)
REPORTING: Final = ((15, 1), (60, 1), (15, 96), (60, 24))
"""(minutes, signed together): each reading alone, or a day's at once."""

_HEAD: Final = (
    "meters",
    "a reading each",
    "engine, ledgers",
    "transactions/s",
    "offered, MB/s",
    "cores of a validator",
    "memory, GiB",
    "network in, Mbit/s",
    "disk a year, TB",
    "of 90 days, TB",
    "gateways (cores)",
    "read model: cores, TB a year",
)


def page() -> str:
    """The table of `docs/sizing.md`."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for meters in STEPS:
        for minutes, together in REPORTING:
            lines.append("| " + " | ".join(_cells(Fleet(meters, minutes, together))) + " |")
    return "\n".join(lines) + "\n"


def _cells(fleet: Fleet) -> tuple[str, ...]:
    found = size(fleet)
    how = f"{fleet.period_minutes} min" + (f", {fleet.together} at once" if fleet.together > 1 else "")
    return (
        f"{fleet.meters:,}",
        how,
        f"{found.engine}, {found.ledgers}",
        _short(found.transactions_per_s),
        _short(found.offered_bytes_per_s / _MEGA),
        _short(found.cores / BUSY),
        _short(found.memory_mib / 1_024),
        _short(found.network_bytes_per_s * 8 / _MEGA),
        _short(found.disk_bytes_per_year / _GIGA / 1_000),
        _short(found.disk_bytes_pruned / _GIGA / 1_000),
        f"{found.gateways:,} ({_short(found.gateway_cores / BUSY)})",
        f"{_short(found.model_cores)}, {_short(found.model_bytes_per_year / _GIGA / 1_000)}",
    )


def _short(number: float) -> str:
    """Two digits that mean something."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2g}"


if __name__ == "__main__":
    sys.stdout.write(page())
