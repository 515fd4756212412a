"""What is decided, or fetched from peers, is executed here, one block at a time in the order of the chain.

A block that was fetched counts only when the set under way has certified it; what it gives here must be what was
certified. Who mined it is no part of the header: its receipts say so, which are under its root. With the last block of
an epoch execution pauses until the next one has begun.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from ledgernode.errors import BadProof
from ledgernode.execution.block import Executor
from ledgernode.execution.reward import seat_of
from ledgernode.node.certifying import Certifying
from ledgernode.node.endorsement import Endorsement
from ledgernode.node.measures import Measures
from ledgernode.node.order_first import fits
from ledgernode.node.writing import Writer
from ledgernode.wire.block import Batch, Header
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height
from ledgernode.wire.validators import Certificate


class Fetched(msgspec.Struct, frozen=True):
    """A block that a peer has given, certified."""

    header: Header
    envelopes: tuple[bytes, ...]
    certificate: Certificate
    miner: str | None = None
    """The identity that its receipts name as its miner: what they are stands in the header."""


class _Ordered(msgspec.Struct, frozen=True):
    """What is to be executed: decided by our engine, or fetched."""

    batch: Batch
    transactions: list[Transaction]
    fetched: Fetched | None = None


class Executing:
    """Of one ledger; `executed` is how far it has come."""

    def __init__(
        self,
        *,
        executor: Executor,
        endorsement: Endorsement,
        certifying: Certifying,
        writer: Writer,
        executed: Height,
        log: Any,
        measures: Measures | None = None,
        order_first: bool = False,
    ) -> None:
        """With `order_first` a batch was ordered by nobody who asked the ledger's limits: it is judged here."""
        self._order_first = order_first
        self._measures = measures or Measures()
        self._executor = executor
        self._endorsement = endorsement
        self._certifying = certifying
        self._writer = writer
        self._log = log
        self._ordered: deque[_Ordered] = deque()
        self._adopted: set[Height] = set()
        self._epoch_over = False
        self.executed = executed
        self.voided = 0
        """How many batches made an empty block because they went beyond the limits."""

    def __len__(self) -> int:
        """How many blocks wait to be executed."""
        return len(self._ordered)

    def waiting(self) -> Iterator[Transaction]:
        """The transactions of the blocks that wait."""
        for ordered in self._ordered:
            yield from ordered.transactions

    def decided(self, batch: Batch, transactions: list[Transaction]) -> None:
        self._ordered.append(_Ordered(batch, transactions))

    def fetched(self, block: Fetched, transactions: list[Transaction]) -> None:
        header = block.header
        batch = Batch(header.epoch, header.height, header.time_ms, block.envelopes)
        self._ordered.append(_Ordered(batch, transactions, block))

    def adopted_up_to(self, height: Height) -> bool:
        """Was the block at this height fetched? What is below it is asked about no more."""
        was, self._adopted = height in self._adopted, {above for above in self._adopted if above > height}
        return was

    def begin_epoch(self) -> None:
        """The set of the next block certifies from now on."""
        self._epoch_over = False

    def has_next(self) -> bool:
        """Is the next one in order here? One of the next epoch waits until that has begun; a stale one is dropped."""
        while self._ordered and not self._epoch_over:
            batch = self._ordered[0].batch
            epoch = self._endorsement.validators.epoch
            if batch.height == self.executed + 1 and batch.epoch >= epoch:
                return batch.epoch == epoch
            self._ordered.popleft()
        return False

    def execute_next(self) -> None:
        """Execute the next block if it is here, and hand it to be written and certified."""
        if not self.has_next():
            return
        ordered = self._ordered.popleft()
        if ordered.fetched is not None and not self._is_certified(ordered.fetched):
            return
        batch, transactions = ordered.batch, ordered.transactions
        if self._order_first and ordered.fetched is None and not fits(transactions, self._executor.limits(batch)):
            self._log.warning("a batch beyond the ledger's limits makes an empty block", height=batch.height)
            batch, transactions = msgspec.structs.replace(batch, envelopes=()), []
            self.voided += 1
        if ordered.fetched is not None:
            miner = seat_of(ordered.fetched.miner, self._endorsement.validators)
            batch = msgspec.structs.replace(batch, miner=miner)
        traces = self._measures.traces
        began_ns = 0 if traces is None else traces.now_ns()
        began_s = time.perf_counter()
        block = self._executor.execute(batch, transactions)
        self._measures.executed(time.perf_counter() - began_s, len(transactions))
        header = block.header
        if traces is not None:
            traces.executed(header.height, began_ns)
        self.executed = header.height
        self._epoch_over = header.next_set != header.current_set
        self._writer.append(block)
        if ordered.fetched is None:
            self._certifying.executed(block)
        else:
            self._certifying.adopted(block, ordered.fetched.header, ordered.fetched.certificate)
            self._adopted.add(header.height)

    def _is_certified(self, fetched: Fetched) -> bool:
        """False for a block that its set has not certified: nothing that came with it is used."""
        try:
            self._endorsement.require_certified(fetched.header, fetched.certificate)
        except BadProof as refusal:
            self._log.warning("a peer gave a block that is not certified", reason=str(refusal))
            self._ordered = deque(ordered for ordered in self._ordered if ordered.fetched is None)
            return False
        return True
