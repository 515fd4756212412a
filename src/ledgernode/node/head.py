"""What the node reads of the state after the last block: limits, members, and when a timer is due."""

from __future__ import annotations

from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.timers import next_due_ms
from ledgernode.identity.records import ValidatorRecord, ValidatorsRecord, effective
from ledgernode.store.chain import ChainStore
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, TimeMs


class Head:
    """As of the last `refresh`, which follows every block."""

    def __init__(self, chain: ChainStore) -> None:
        self._chain = chain
        self._cache = RecordCache()
        self.refresh()

    def refresh(self) -> None:
        head = self._chain.head
        with self._chain.state() as state:
            view = LedgerView(state, self._cache, Height(head.height + 1), TimeMs(head.time_ms + 1))
            self.parameters: Parameters = view.parameters
            self.timer_due_ms = next_due_ms(state)
            self.validators: ValidatorsRecord = view.validators()

    @property
    def epoch_ends(self) -> Height | None:
        """The last height of the epoch under way, once a change of its set is decided."""
        last = self.validators.last_height
        return Height(last) if last > self._chain.head.height else None

    def members(self) -> tuple[ValidatorRecord, ...]:
        """The set of the next block, with the addresses where its members are reached."""
        return effective(self.validators, self._chain.head.height + 1).members
