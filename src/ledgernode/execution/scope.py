"""What all calls of one block, and all calls of one transaction, share while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chaincode.api import HistoryEntry
from ledgernode.errors import LedgerError
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.ledger_view import LedgerView, Signer
from ledgernode.execution.overlay import TransactionOverlay
from ledgernode.execution.sandbox.loader import LoadedContract
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.wire.receipt import Event
from ledgernode.wire.types import Height, TransactionId


class Lookups(Protocol):
    """What only queries may ask: the past of a key, and transactions."""

    def history(self, key: bytes, limit: int) -> Sequence[HistoryEntry]: ...
    def transaction(self, transaction_id: str) -> Mapping[str, Any] | None: ...


class BlockScope:
    """One block's (or query's) height, time, limits and code. `lookups` is None in blocks."""

    __slots__ = ("_contracts", "_resolved", "height", "ledger", "limits", "lookups", "time_ms")

    def __init__(
        self, ledger: LedgerView, contracts: Contracts, height: Height, lookups: Lookups | None = None
    ) -> None:
        self._contracts = contracts
        self._resolved: dict[str, LoadedContract] = {}
        self.ledger = ledger
        self.height = height
        self.time_ms = ledger.time_ms
        self.limits = ledger.parameters
        self.lookups = lookups

    def contract(self, name: str) -> LoadedContract:
        """The code this block runs under a name; refuses an unknown one."""
        found = self._resolved.get(name)
        if found is None:
            found = self._resolved[name] = self._contracts.resolve(name, self.ledger)
        return found


class Scope:
    """One transaction's, timer's or query's writes, meter, events and fate.

    A failed inner call is its `failure`: from then on every operation answers with it, and so does the
    outcome, whatever the contract in between makes of it.
    """

    __slots__ = ("block", "events", "failure", "meter", "signer", "state", "transaction_id")

    def __init__(
        self, block: BlockScope, state: TransactionOverlay, meter: Meter, signer: Signer, transaction_id: TransactionId
    ) -> None:
        self.block = block
        self.state = state
        self.meter = meter
        self.signer = signer
        self.transaction_id = transaction_id
        self.events: list[Event] = []
        self.failure: LedgerError | None = None

    def charge(self, units: int) -> None:
        """Take units from the budget; refuses everything once an inner call has failed."""
        if self.failure is not None:
            raise self.failure
        self.meter.charge(units)
