"""What the node reads of the state after the last block: limits, members, and when a timer is due."""

from __future__ import annotations

from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.timers import next_due_ms
from ledgernode.execution.values import decode_typed
from ledgernode.identity.records import ValidatorRecord, ValidatorsRecord, effective, faults_of_state
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import value_of
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

    def faults(self) -> dict[str, int]:
        """How many faults of each member of the next block's set stand on the ledger, by identity."""
        with self._chain.state() as state:
            found = {member.identity: state.get(faults_of_state(member.identity)) for member in self.members()}
        return {
            identity: 0 if stored is None else decode_typed(value_of(stored), int) for identity, stored in found.items()
        }

    def members(self) -> tuple[ValidatorRecord, ...]:
        """The set of the next block, with the addresses where its members are reached."""
        return effective(self.validators, self._chain.head.height + 1).members
