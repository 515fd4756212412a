"""One ordered batch in, one sealed block out.

`Executor.execute` reads as the list of what a block does: the miner's reward, due timers, each transaction, what
is remembered against replay, roots, commitment, header, next set. Rules it keeps:

* parameters, members and code are those at the start of the block; a decision takes effect with the next;
* a refused call leaves a receipt and changes nothing, but for the sequence number it used up;
* what is broken on our own side (store, disk, memory) is raised and never becomes a receipt;
* signature, form, sizes and declared budget of every envelope were checked before (`node.admission`).

Several blocks may be executed before they are saved together: each sees those below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ledgernode.errors import LedgerError, UpgradeNeeded
from ledgernode.execution import costs, reward, timers
from ledgernode.execution.contracts import TRANSACTION, Contracts
from ledgernode.execution.ledger_view import LedgerView, RecordCache, Signer
from ledgernode.execution.outcome import perform, receipt_of_refusal, receipt_of_success
from ledgernode.execution.overlay import BlockOverlay, beneath
from ledgernode.execution.replay_guard import ReplayGuard
from ledgernode.execution.sandbox.meter import Meter
from ledgernode.execution.scope import BlockScope, Scope
from ledgernode.execution.timers import Timer
from ledgernode.execution.values import encode_json
from ledgernode.identity.records import effective, next_after, signing_set
from ledgernode.observe.figures import Codes
from ledgernode.store.chain import ChainStore, SealedBlock
from ledgernode.store.index import Place
from ledgernode.store.lattice import Lattice
from ledgernode.wire import versions
from ledgernode.wire.block import Batch, Header, header_hash
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.receipt import Event, Origin, Receipt, encode_receipt
from ledgernode.wire.roots import receipts_root, transaction_root
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import ChainId, Height, TransactionId
from ledgernode.wire.validators import set_hash

_BLOCK_SIGNER: Final = Signer(role=reward.BLOCK_ROLE)
_TIMER_SIGNER: Final = Signer(role=timers.TIMER_ROLE)


class Executor:
    """Executes the batches of one ledger, each on top of the one before."""

    def __init__(self, chain: ChainStore, contracts: Contracts | None = None) -> None:
        self._chain = chain
        self._contracts = contracts or Contracts()
        self._cache = RecordCache()
        self._unsaved: list[SealedBlock] = []
        self.results = Codes()
        """How many transactions ended with which code, since the start."""

    def execute(self, batch: Batch, transactions: Sequence[Transaction]) -> SealedBlock:
        """The block of this batch, not saved yet. `transactions` are the batch's envelopes, parsed and checked."""
        unsaved = self._unsaved_below(batch)
        parent = unsaved[-1].header if unsaved else self._chain.head
        lattice = unsaved[-1].lattice if unsaved else self._chain.lattice
        _require_fit(batch, transactions, parent)
        with self._chain.state() as saved:
            view = beneath(saved, (block.changes for block in unsaved))
            overlay = BlockOverlay(view, batch.height)
            ledger = LedgerView(view, self._cache, batch.height, batch.time_ms)
            require_known(ledger.execution, batch.height)
            known = {named: place for block in unsaved for named, place in _places(block)}
            guard = ReplayGuard(self._chain, overlay, ledger, transactions, known)
            run = _Run(BlockScope(ledger, self._contracts, batch.height), overlay, guard, batch, parent.chain_id)
            run.pay_miner()
            run.due_timers()
            for transaction in transactions:
                run.transaction(transaction)
            guard.finish(len(run.receipts))
            sealed = run.seal(parent, lattice, transactions)
        self._unsaved = [*unsaved, sealed]
        self.results.note_all(run.codes)
        return sealed

    def limits(self, batch: Batch) -> Parameters:
        """The parameters that this batch would be executed by."""
        unsaved = self._unsaved_below(batch)
        with self._chain.state() as saved:
            view = beneath(saved, (block.changes for block in unsaved))
            return LedgerView(view, self._cache, batch.height, batch.time_ms).parameters

    def _unsaved_below(self, batch: Batch) -> list[SealedBlock]:
        """Blocks executed before this one that the chain has not saved; a block executed again replaces itself."""
        saved = self._chain.head.height
        return [block for block in self._unsaved if saved < block.header.height < batch.height]


class _Run:
    """One block while it is executed."""

    def __init__(
        self, block: BlockScope, overlay: BlockOverlay, guard: ReplayGuard, batch: Batch, chain_id: ChainId
    ) -> None:
        self._block = block
        self._overlay = overlay
        self._guard = guard
        self._batch = batch
        self._chain_id = chain_id
        self._current_set = signing_set(effective(block.ledger.validators(), batch.height))
        self.receipts: list[bytes] = []
        self.codes: list[str] = []

    # ------------------------------------------------------------ the reward

    def pay_miner(self) -> None:
        """Pay whoever found the block, where blocks pay at all and this one holds transactions."""
        batch, limits = self._batch, self._block.limits
        if batch.miner is None or not batch.envelopes:
            return
        amount_minor = self._block.ledger.block_reward_minor
        if amount_minor:
            miner = self._current_set.members[batch.miner].identity.hex()
            receipt = self._reward(reward.Reward(amount_minor, miner), min(reward.BUDGET, limits.budget))
            self.receipts.append(encode_receipt(receipt))

    def _reward(self, due: reward.Reward, budget: int) -> Receipt:
        named = reward.reward_id(self._chain_id, self._batch.height)
        state = self._overlay.begin(len(self.receipts))
        scope = Scope(self._block, state, Meter(budget), _BLOCK_SIGNER, named)
        try:
            outcome = perform(scope, reward.CONTRACT, reward.FUNCTION, TRANSACTION, msgspec.to_builtins(due))
        except LedgerError as refusal:
            receipt = receipt_of_refusal(named, Origin.REWARD, refusal, scope.meter.used)
            due = msgspec.structs.replace(due, amount_minor=0)
        else:
            state.commit()
            receipt = receipt_of_success(named, Origin.REWARD, outcome, scope)
        return msgspec.structs.replace(receipt, result=reward.encode_reward(due))

    # ------------------------------------------------------------ timers

    def due_timers(self) -> None:
        """Run what is due, in order, while a full budget is left for the next; the rest waits for later blocks."""
        limits = self._block.limits
        left = limits.timer_budget
        budget = min(limits.budget, left)
        for found in timers.due(self._block.ledger.view, self._batch.time_ms):
            if left < budget:
                break
            timer = timers.current(self._overlay, found)
            if timer is not None:
                receipt = self._timer(timer, budget)
                left -= max(receipt.budget_used, costs.TIMER)
                self.receipts.append(encode_receipt(receipt))

    def _timer(self, timer: Timer, budget: int) -> Receipt:
        position = len(self.receipts)
        named = timer.id(self._chain_id, self._batch.height)
        state = self._overlay.begin(position)
        # gone before the call, so that the call may set it again
        timers.cancel(state, timer.contract, timer.name)
        scope = Scope(self._block, state, Meter(budget), _TIMER_SIGNER, named)
        try:
            outcome = perform(scope, timer.contract, timer.function, TRANSACTION, timer.arguments)
        except LedgerError as refusal:
            return self._timer_failed(timer, named, refusal, scope.meter.used)
        state.commit()
        return receipt_of_success(named, Origin.TIMER, outcome, scope)

    def _timer_failed(self, timer: Timer, named: TransactionId, refusal: LedgerError, budget_used: int) -> Receipt:
        limits = self._block.limits
        state = self._overlay.begin(len(self.receipts))
        kept = timers.retry(state, timer, limits)
        state.commit()
        payload = {"timer": timer.name, "function": timer.function, "due_ms": timer.due_ms, "attempts": timer.attempt}
        events = () if kept else (Event(timer.contract, timers.ABANDONED, encode_json(payload, limits)),)
        return receipt_of_refusal(named, Origin.TIMER, refusal, budget_used, events)

    # ------------------------------------------------------------ transactions

    def transaction(self, transaction: Transaction) -> None:
        """One envelope, one receipt."""
        position, body = len(self.receipts), transaction.body
        refusal = self._guard.duplicate(transaction, position)
        if refusal is None:
            signer = self._block.ledger.signer(body.creator, transaction.public_key)
            refusal = signer.refusal_of(body.contract, body.function) or self._guard.admit(transaction, position)
            if refusal is None:
                receipt = self._call(transaction, signer, position)
            else:
                self._guard.refused(transaction, position, refusal)
        if refusal is not None:
            receipt = receipt_of_refusal(transaction.id, Origin.TRANSACTION, refusal)
        self.codes.append(receipt.code)
        self.receipts.append(encode_receipt(receipt))

    def _call(self, transaction: Transaction, signer: Signer, position: int) -> Receipt:
        body = transaction.body
        state = self._overlay.begin(position)
        scope = Scope(self._block, state, Meter(body.budget), signer, transaction.id)
        try:
            outcome = perform(scope, body.contract, body.function, TRANSACTION, body.arguments)
        except LedgerError as refusal:
            return receipt_of_refusal(transaction.id, Origin.TRANSACTION, refusal, scope.meter.used)
        state.commit()
        return receipt_of_success(transaction.id, Origin.TRANSACTION, outcome, scope)

    # ------------------------------------------------------------ the result

    def seal(self, parent: Header, lattice: Lattice, transactions: Sequence[Transaction]) -> SealedBlock:
        """Roots, commitment and header over everything that was done."""
        batch = self._batch
        after = LedgerView(self._overlay, RecordCache(), batch.height, batch.time_ms)
        current_set = self._current_set
        next_set = signing_set(next_after(after.validators(), batch.height))
        lattice = lattice.updated(*self._overlay.net())
        header = Header(
            chain_id=self._chain_id,
            epoch=batch.epoch,
            height=batch.height,
            parent_hash=header_hash(parent),
            transaction_root=transaction_root([transaction.envelope_hash for transaction in transactions]),
            receipts_root=receipts_root(self.receipts),
            state_commitment=lattice.commitment(),
            time_ms=batch.time_ms,
            current_set=set_hash(current_set),
            next_set=set_hash(next_set),
            transactions=len(transactions),
            receipts=len(self.receipts),
        )
        assert header.epoch == current_set.epoch, f"block {header.height} is ordered in the epoch of its set"
        return SealedBlock(
            header=header,
            envelopes=batch.envelopes,
            receipts=tuple(self.receipts),
            changes=tuple(self._overlay.changes),
            lattice=lattice,
            transaction_ids=tuple(self._guard.indexed),
            next_set=next_set,
            current_set=current_set,
        )


def require_known(version: int, height: Height) -> None:
    """Refuses a block whose rules this software does not have (UpgradeNeeded): it would give another result."""
    oldest, newest = versions.EXECUTION_OLDEST, versions.EXECUTION_NEWEST
    if not oldest <= version <= newest:
        raise UpgradeNeeded(
            f"block {height} is executed by version {version}, this software knows {oldest} to {newest}: "
            f"install {'a newer' if version > newest else 'an older'} one and start the node again"
        )


def _places(block: SealedBlock) -> Iterator[tuple[TransactionId, Place]]:
    """The transactions that a block indexes, and where their receipts stand."""
    first = len(block.receipts) - len(block.envelopes)
    for position, named in enumerate(block.transaction_ids, first):
        if named is not None:
            yield named, (block.header.height, position)


def _require_fit(batch: Batch, transactions: Sequence[Transaction], parent: Header) -> None:
    """What orders batches is our own engine: one that does not fit is our fault."""
    assert batch.height == parent.height + 1, f"batch {batch.height} does not follow block {parent.height}"
    assert batch.time_ms > parent.time_ms, f"batch {batch.height} is not later than block {parent.height}"
    assert len(transactions) == len(batch.envelopes), "one parsed transaction for each envelope"
