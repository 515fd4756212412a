"""The numbers that founders set for an engine, in the genesis file: their names, defaults and ranges.

They are the same on every node and do not change while the ledger lives. What is left out has its default,
so that the genesis file says only what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ledgernode.errors import BadGenesis
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.parameters import MAX_SAFE_INTEGER


class Option(NamedTuple):
    """What it is when left out, and what it may be."""

    default: int
    lowest: int
    highest: int


CONCENTRATION_ALLOWED: Final = "concentration_allowed"
"""1 records that the founders let one organisation hold more validators than may fail."""
FIRST_TARGET_BITS: Final = "first_target_bits"
"""The first block's hash begins with so many zero bits; a search takes about 2 to that power hashes."""
INTERVAL_MS: Final = "interval_ms"
"""The time between two mined blocks that the target is moved toward."""
WINDOW_BLOCKS: Final = "window_blocks"
"""The target moves once in so many blocks."""
DEPTH_BLOCKS: Final = "depth_blocks"
"""A block is final with so many above it: longer for a client, safer against a partition."""
BLOCK_REWARD_MINOR: Final = "block_reward_minor"
"""What the currency mints for whoever finds a block with transactions, where its issuer allows it; 0: nothing."""

TIME_BOUND_MS: Final = "time_bound_ms"
"""A batch's own time counts within so much of the time at which the log took it."""

_EVERY: Final = {CONCENTRATION_ALLOWED: Option(0, 0, 1)}
OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    "jetstream": {**_EVERY, TIME_BOUND_MS: Option(500, 10, 60_000)},
    "pbft": _EVERY,
    "pow": {
        **_EVERY,
        FIRST_TARGET_BITS: Option(19, 0, 255),
        INTERVAL_MS: Option(500, 20, 600_000),
        WINDOW_BLOCKS: Option(16, 2, 1_024),
        DEPTH_BLOCKS: Option(6, 1, 1_024),
        BLOCK_REWARD_MINOR: Option(0, 0, MAX_SAFE_INTEGER),
    },
    "solo": _EVERY,
}


def check_options(engine: GenesisEngine) -> None:
    """Refuses an option that the engine does not have, and one out of its range."""
    known = OPTIONS[engine.name]
    for name, number in sorted(engine.options.items()):
        if name not in known:
            raise BadGenesis(f"engine {engine.name} has no option {name[:64]!r}; it has {', '.join(sorted(known))}")
        _, lowest, highest = known[name]
        if not lowest <= number <= highest:
            raise BadGenesis(f"{name} is {number}, it lies between {lowest} and {highest}")


def option(engine: GenesisEngine, name: str) -> int:
    """The number in force for an option that the engine has."""
    return engine.options.get(name, OPTIONS[engine.name][name].default)


def first_target(engine: GenesisEngine) -> int:
    """The first target of proof of work, as a number that a hash must not exceed."""
    return (1 << (256 - option(engine, FIRST_TARGET_BITS))) - 1
