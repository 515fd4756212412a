"""What a whole ledger agrees on in numbers: set in genesis, changed by governance, the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from ledgernode.errors import BadParameters

MAX_SAFE_INTEGER = (1 << 53) - 1
# one unit of execution budget is at most 0.1 us of one core
BUDGET_UNITS_PER_MS: Final = 10_000
# what an installed package's record, the body that brings it and the answer that shows it hold beside its bytes
PACKAGE_MARGIN_BYTES: Final = 1_024
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]
Budget = Annotated[int, msgspec.Meta(ge=1, le=(1 << 32) - 1)]
"""What one transaction may declare: its field has four bytes."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units last. A change takes effect with the block after the one that decides it."""

    # one transaction
    body_bytes: Positive = 384 * 1024
    arguments_depth: Positive = 32
    budget: Budget = 500_000
    validity_ms: Positive = 600_000
    sequence_window: Positive = 1_024

    # one block; its declared budgets together stay under a quarter of the view time-out
    block_transactions: Positive = 2_000
    block_bytes: Positive = 4 * 1024 * 1024
    block_budget: Positive = 5_000_000
    timer_budget: Positive = 2_000_000
    timer_attempts: Positive = 3

    # values
    key_bytes: Positive = 256
    value_bytes: Positive = 384 * 1024
    result_bytes: Positive = 384 * 1024
    events: Positive = 256
    call_depth: Positive = 8

    # identity
    rotation_overlap_ms: Positive = 86_400_000

    # governance
    proposal_lifetime_ms: Positive = 1_209_600_000

    # chaincode
    package_bytes: Positive = 256 * 1024

    # time
    clock_skew_ms: Positive = 500
    view_timeout_ms: Positive = 2_000
    set_change_window: Positive = 64


# what each number may be: below, nothing works; above, a block no longer fits a message or a time-out
LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    "body_bytes": (4 * 1024, 8 * 1024 * 1024),
    "arguments_depth": (4, 256),
    "budget": (10_000, 1_000_000_000),
    "validity_ms": (1_000, 600_000),
    "sequence_window": (1, 65_536),
    "block_transactions": (1, 100_000),
    "block_bytes": (4 * 1024, 12 * 1024 * 1024),
    "block_budget": (10_000, 1_000_000_000),
    "timer_budget": (1_000, 1_000_000_000),
    "timer_attempts": (1, 100),
    "key_bytes": (256, 400),
    "value_bytes": (16 * 1024, 4 * 1024 * 1024),
    "result_bytes": (4 * 1024, 4 * 1024 * 1024),
    "events": (4, 10_000),
    "call_depth": (4, 64),
    "rotation_overlap_ms": (1, 90 * 86_400_000),
    "proposal_lifetime_ms": (1_000, 365 * 86_400_000),
    "package_bytes": (1_024, 2 * 1024 * 1024),
    "clock_skew_ms": (10, 60_000),
    "view_timeout_ms": (100, 600_000),
    "set_change_window": (1, 10_000),
}


def check_parameters(parameters: Parameters) -> None:
    """Refuses numbers out of range, and numbers that cannot live together, naming the first."""
    for name, (low, high) in LIMITS.items():
        number = getattr(parameters, name)
        if not low <= number <= high:
            raise BadParameters(f"{name} is {number}, it lies between {low} and {high}")
    for part, whole in (("budget", "block_budget"), ("timer_budget", "block_budget"), ("body_bytes", "block_bytes")):
        if getattr(parameters, part) > getattr(parameters, whole):
            raise BadParameters(f"{part} is above {whole}: it fits no block")
    package_text_bytes = -(-parameters.package_bytes // 3) * 4 + PACKAGE_MARGIN_BYTES
    if package_text_bytes > parameters.body_bytes:
        raise BadParameters("package_bytes is too large: a package travels in a body, a third longer as text")
    if package_text_bytes > parameters.result_bytes:
        raise BadParameters("package_bytes is too large: a package is shown as a result, a third longer as text")
    if parameters.package_bytes + PACKAGE_MARGIN_BYTES > parameters.value_bytes:
        raise BadParameters("package_bytes is too large: a package is stored as one value with its name and version")
    if parameters.block_budget * 4 > parameters.view_timeout_ms * BUDGET_UNITS_PER_MS:
        raise BadParameters(
            f"block_budget is {parameters.block_budget} units, {parameters.block_budget // BUDGET_UNITS_PER_MS} ms: "
            f"more than a quarter of view_timeout_ms, {parameters.view_timeout_ms}"
        )
