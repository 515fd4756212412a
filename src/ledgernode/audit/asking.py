"""Asking contracts what they recompute: read-only, as a regulator, of the state after the range."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledgernode import config
from ledgernode.execution.contracts import QUERY, Contracts
from ledgernode.execution.ledger_view import LedgerView, RecordCache, Signer
from ledgernode.execution.outcome import perform
from ledgernode.execution.overlay import BlockOverlay
from ledgernode.execution.query import ChainLookups
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.scope import BlockScope, Scope
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import StateView
from ledgernode.wire.types import Height, TransactionId

_NOBODY: Final = TransactionId(bytes(32))
_AUDITOR: Final = Signer(role="regulator")


class Asking:
    """Queries of the contracts that are committed after a block; each as one who may read everything."""

    def __init__(self, chain: ChainStore, view: StateView, height: Height) -> None:
        ledger = LedgerView(view, RecordCache(), Height(height + 1), chain.header(height).time_ms)
        self._block = BlockScope(ledger, Contracts(), height, ChainLookups(chain, height))
        self._height = height

    def __call__(self, contract: str, function: str, /, **arguments: Any) -> Any:
        """The answer; raises the refusal."""
        state = BlockOverlay(self._block.ledger.view, self._height).begin(0)
        scope = Scope(self._block, state, Meter(config.QUERY_BUDGET), _AUDITOR, _NOBODY)
        return msgspec.json.decode(perform(scope, contract, function, QUERY, dict(arguments)).result)
