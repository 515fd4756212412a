"""What is measured, and what a client process is told and tells: the values of one run."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from ledgernode.config import TRACE_ONE_IN

CONTRACT: Final = "bench_store"
VALUE_BYTES: Final = 200
BUDGET: Final = 4_000
"""Declared by each call: enough for it, and so little that a block holds as many as it may."""
WARM_UP_S: Final = 3.0
WINDOW_TRANSACTIONS: Final = 3_000
"""Sent and unanswered, of all clients together: enough for blocks of a thousand with several under way."""


class Workload(StrEnum):
    PUT = "put"
    HOT = "hot"


class Plan(msgspec.Struct, frozen=True):
    """`rate` is offered in transactions a second; 0: as fast as they are committed. `trace` is the nodes' collector."""

    workload: Workload
    engine: str
    validators: int
    seconds: float
    clients: int = 1
    rate: int = 0
    window: int = WINDOW_TRANSACTIONS
    trace: str = ""
    trace_one_in: int = TRACE_ONE_IN


class Task(msgspec.Struct, frozen=True):
    """One client process: over one stream to each endpoint, each stream with the identity beside it."""

    workload: Workload
    endpoints: tuple[str, ...]
    identities: tuple[str, ...]
    ledger: str
    chain_id: bytes
    seconds: float
    sign_ahead: int
    rate: int
    window: int
    number: int


class Record(msgspec.Struct, frozen=True):
    """What a client saw: of the steady part the outcomes and their times, of all of it how many and what failed."""

    committed: int
    committed_steady: int
    steady_s: float
    latencies_us: list[int]
    failures: dict[str, int]


class Process(msgspec.Struct, frozen=True):
    """What one process took during the steady part."""

    name: str
    cpu_percent: float
    memory_bytes: int
    disk_bytes: int = 0


class Figures(msgspec.Struct, frozen=True):
    """The result. `efficiency` is committed_per_s * validators * verify_us / cores, in seconds a second.

    `node_us` is the processor time of one node for one transaction. `others_cpu_percent` is what ran on this
    machine beside the measured processes: the rate and the efficiency suffer from it, `node_us` does not.
    """

    workload: Workload
    engine: str
    validators: int
    cores: int
    seconds: float
    committed: int
    committed_per_s: float
    p50_ms: float
    p99_ms: float
    verify_us: float
    efficiency: float
    node_us: float
    others_cpu_percent: float
    blocks: int
    transactions_per_block: float
    bytes_per_transaction: float
    failures: dict[str, int]
    processes: tuple[Process, ...]
