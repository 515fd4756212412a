"""Which engine orders a ledger: the name in its genesis, looked up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledgernode.consensus.engine import Engine
from ledgernode.consensus.solo import Solo
from ledgernode.errors import BadGenesis
from ledgernode.wire.genesis import GenesisEngine
from ledgernode.wire.validators import ValidatorSet

ENGINES: Final[dict[str, Callable[[GenesisEngine, ValidatorSet], Engine]]] = {
    "solo": lambda _, validators: Solo(validators.epoch),
}


def make_engine(chosen: GenesisEngine, validators: ValidatorSet) -> Engine:
    """An engine for the epoch of this set; refuses a name this software does not have."""
    make = ENGINES.get(chosen.name)
    if make is None:
        raise BadGenesis(f"this node has no engine {chosen.name!r}; it has {', '.join(sorted(ENGINES))}")
    return make(chosen, validators)
