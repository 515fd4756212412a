"""Faults of validators on their way to the ledger.

The engine and the certifier notice when a member contradicts itself (`wire.voting`). Here each such fault becomes a
transaction, signed by this node's validator key, that reports it to the contract `evidence` through the same door
as any client's. Rules it keeps:

* consensus never waits for it: to notice is to queue, and what is queued is bounded by what the ledger records;
* a fault is reported until it stands on the ledger, and not at all where it stands already: so a restart reports
  nothing twice, and members that noticed the same take turns, of which mostly the first is enough.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from ledgernode.config import REPORT_BUDGET, REPORT_PAUSE_LIMIT_MS, REPORT_PAUSE_MS, REPORT_TRIES, REPORT_TURN_MS
from ledgernode.errors import LedgerError
from ledgernode.execution.system.evidence import RECORDED_PER_EPOCH
from ledgernode.identity.records import EVIDENCE, fault_state
from ledgernode.identity.signing import SigningKey
from ledgernode.node.endorsement import position_of
from ledgernode.node.speaking import Speaker, Submit
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Stage
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import Epoch, IdentityId, TimeMs
from ledgernode.wire.validators import Validator, ValidatorSet
from ledgernode.wire.voting import Contradiction, encode_signed, fault_id, read_vote


class _Report(msgspec.Struct, frozen=True):
    fault: bytes
    member: Validator
    contradiction: Contradiction


class Accuser:
    """Of one ledger. `noticed` counts faults since the start by their author's key."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        key: SigningKey,
        validators: Callable[[], ValidatorSet],
        parameters: Callable[[], Parameters],
        submit: Submit,
        clock_ms: Callable[[], TimeMs],
        log: Any,
    ) -> None:
        self._chain = chain
        self._key = key
        self._validators = validators
        self._speaker = Speaker(chain, key, validators, parameters, clock_ms)
        self._submit = submit
        self._log = log
        self._known: set[bytes] = set()
        self._taken: Counter[tuple[IdentityId, Epoch]] = Counter()
        self._waiting: deque[_Report] = deque()
        self._wake = asyncio.Event()
        self.noticed: Counter[bytes] = Counter()

    def notice(self, member: Validator, contradiction: Contradiction) -> None:
        """A member has contradicted itself: remember it and have it reported, once, within the bound."""
        fault = fault_id(member.identity, contradiction.first.message)
        epoch = read_vote(contradiction.first.message).epoch
        if fault in self._known or self._taken[member.identity, epoch] >= RECORDED_PER_EPOCH:
            return
        self._known.add(fault)
        self._taken[member.identity, epoch] += 1
        self.noticed[member.public_key] += 1
        self._waiting.append(_Report(fault, member, contradiction))
        self._log.warning("a validator contradicts itself", organisation=member.organisation, fault=fault.hex()[:16])
        self._wake.set()

    async def run(self) -> None:
        """Report what was noticed, one after the other, until cancelled."""
        while True:
            while self._waiting:
                await asyncio.sleep(self._turn_ms(self._waiting[0]) / 1_000)
                await self._bring(self._waiting.popleft())
            self._wake.clear()
            await self._wake.wait()

    async def _bring(self, report: _Report) -> None:
        """Until it stands on the ledger, is refused there for good, or has been tried often enough."""
        pause_ms, reason = REPORT_PAUSE_MS, "its bound of tries"
        for _ in range(REPORT_TRIES):
            if self._is_recorded(report.fault):
                return
            raw = self._transaction(report)
            if raw is None:
                return  # this node has no seat now: the others report
            try:
                outcome = await self._submit(raw)
            except LedgerError as refusal:
                reason = refusal.code
            else:
                reason = outcome.code
                if outcome.stage is Stage.COMMITTED:
                    break
            await asyncio.sleep(pause_ms / 1_000)
            pause_ms = min(2 * pause_ms, REPORT_PAUSE_LIMIT_MS)
        if not self._is_recorded(report.fault):
            self._log.warning("a fault was not recorded", fault=report.fault.hex()[:16], reason=reason)

    def _is_recorded(self, fault: bytes) -> bool:
        with self._chain.state() as state:
            return state.get(fault_state(fault.hex())) is not None

    def _turn_ms(self, report: _Report) -> int:
        """The member after the accused reports first, then the one after it."""
        validators = self._validators()
        own = position_of(validators, self._key.public_key) or 0
        accused = position_of(validators, report.member.public_key) or 0
        return (own - accused - 1) % len(validators.members) * REPORT_TURN_MS

    def _transaction(self, report: _Report) -> bytes | None:
        first, second = (encode_signed(vote) for vote in msgspec.structs.astuple(report.contradiction))
        arguments = {"member": report.member.identity.hex(), "first": first.hex(), "second": second.hex()}
        return self._speaker.transaction(EVIDENCE, "report", arguments, REPORT_BUDGET)
