"""What a whole ledger agrees on in numbers: set in genesis, changed by governance, the same everywhere."""

from __future__ import annotations

import msgspec

MAX_SAFE_INTEGER = (1 << 53) - 1


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units last. A change takes effect with the block after the one that decides it."""

    # one transaction
    body_bytes: int = 256 * 1024
    arguments_depth: int = 32
    budget: int = 500_000
    validity_ms: int = 600_000
    sequence_window: int = 1_024

    # one block; its declared budgets together stay under a quarter of the view time-out
    block_transactions: int = 2_000
    block_bytes: int = 4 * 1024 * 1024
    block_budget: int = 10_000_000
    timer_budget: int = 2_000_000
    timer_attempts: int = 3

    # values
    key_bytes: int = 256
    value_bytes: int = 256 * 1024
    result_bytes: int = 256 * 1024
    events: int = 256
    call_depth: int = 8

    # identity
    rotation_overlap_ms: int = 86_400_000

    # chaincode
    package_bytes: int = 128 * 1024

    # time
    clock_skew_ms: int = 500
    view_timeout_ms: int = 4_000
    set_change_window: int = 64
