"""What the node reads of the state after the last block: limits, members, whom to trust, when a timer is due."""

from __future__ import annotations

from collections.abc import Callable

from ledgernode.execution.block import require_known
from ledgernode.execution.ledger_view import LedgerView, RecordCache
from ledgernode.execution.timers import next_due_ms
from ledgernode.execution.values import decode_typed
from ledgernode.identity.records import (
    IDENTITY,
    ExecutionRecord,
    IdentityRecord,
    OrganisationRecord,
    Role,
    Status,
    ValidatorRecord,
    ValidatorsRecord,
    effective,
    faults_of_state,
    identity_state,
    named_state,
    ready_state,
)
from ledgernode.store.chain import ChainStore
from ledgernode.store.state import value_of
from ledgernode.wire.keys import composite_key, state_key
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Height, TimeMs

_FIRST = state_key(IDENTITY, composite_key("organisation"))
_LAST = _FIRST[:-1] + b"\x01"


class Head:
    """As of the last `refresh`, which follows every block."""

    def __init__(self, chain: ChainStore, trust: Callable[[tuple[str, ...]], None]) -> None:
        self._chain = chain
        self._cache = RecordCache()
        self._trust = trust
        self.roots: tuple[str, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        head = self._chain.head
        with self._chain.state() as state:
            view = LedgerView(state, self._cache, Height(head.height + 1), TimeMs(head.time_ms + 1))
            self.parameters: Parameters = view.parameters
            self.timer_due_ms = next_due_ms(state)
            self.validators: ValidatorsRecord = view.validators()
            self.execution: ExecutionRecord = view.execution_record
            self.height: Height = head.height
            organisations = [
                self._cache.decoded(key, stored, OrganisationRecord) for key, stored in state.scan(_FIRST, _LAST)
            ]
        # a suspended organisation's validators stay in the set, and must be reached
        present = (one for one in organisations if one.status is not Status.REVOKED)
        roots = tuple(root for organisation in present for root in organisation.roots)
        if roots != self.roots:
            self.roots = roots
            self._trust(roots)

    @property
    def epoch_ends(self) -> Height | None:
        """The last height of the epoch under way, once a change of its set is decided."""
        last = self.validators.last_height
        return Height(last) if last > self._chain.head.height else None

    def status_of(self, organisation: str, role: Role, name: str) -> Status | None:
        """Of the identity that was registered last under this name; None where the ledger knows none."""
        with self._chain.state() as state:
            named = state.get(named_state(organisation, role, name))
            if named is None:
                return None
            key = identity_state(decode_typed(value_of(named), str))
            stored = state.get(key)
        return None if stored is None else self._cache.decoded(key, stored, IdentityRecord).status

    def require_known(self) -> None:
        """Refuses to go on by rules that this software does not have (UpgradeNeeded)."""
        require_known(self.execution.at(self.height + 1), Height(self.height + 1))

    def ready(self, identity: str) -> int:
        """Up to which version of execution a validator says its software goes; 0 where it has said nothing."""
        with self._chain.state() as state:
            stored = state.get(ready_state(identity))
        return 0 if stored is None else decode_typed(value_of(stored), int)

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
