"""What a validator did with the transactions that are traced: noted as they pass, told when their block stands.

    validator    admission ─▶ mempool ─▶ order ─▶ execution ─▶ store
                                                  └──────────▶ certificate

`admission` is the check, whoever brought it; `mempool` ends when it is offered to the engine, or is seen in another's
proposal; `order` when the engine has decided; `execution` is that of its whole block, and so is `store`, from then to
the disk; `certificate` lasts until q members have signed. What was first seen in a proposal has no admission. Blocks
that are fetched from others tell nothing: what is in them happened before.

What comes to no block is forgotten, the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from ledgernode.config import TRACED_TRANSACTIONS
from ledgernode.observe.traces import CONTRACT, FUNCTION, HEIGHT, LEDGER, POSITION, Facts, Step, Tracer
from ledgernode.store.sealed import SealedBlock
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import Height, TransactionId


class _Way(msgspec.Struct):
    """Of one transaction. Times are nanoseconds, 0 where nothing is known."""

    contract: str
    function: str
    came_ns: int = 0
    admitted_ns: int = 0
    taken_up_ns: int = 0


class _Block(msgspec.Struct):
    ways: dict[TransactionId, _Way]
    decided_ns: int
    began_ns: int = 0
    executed_ns: int = 0
    stored_ns: int = 0


class TracedLedger:
    """Of one ledger."""

    def __init__(self, ledger: str, tracer: Tracer) -> None:
        self._ledger = ledger
        self._tracer = tracer
        self._ways: dict[TransactionId, _Way] = {}
        self._blocks: dict[Height, _Block] = {}

    def now_ns(self) -> int:
        return self._tracer.now_ns()

    def admitted(self, found: Iterable[object], began_ns: int) -> None:
        """These were checked since then; refusals among them are passed over."""
        ended_ns = self._tracer.now_ns()
        for one in found:
            if isinstance(one, Transaction) and self._tracer.takes(one.id) and one.id not in self._ways:
                way = self._begin(one)
                way.came_ns, way.admitted_ns = began_ns, ended_ns

    def taken_up(self, transactions: Iterable[Transaction]) -> None:
        """They are offered, or seen in a proposal."""
        now_ns = 0
        for one in transactions:
            if self._tracer.takes(one.id):
                way = self._ways.get(one.id) or self._begin(one)
                now_ns = now_ns or self._tracer.now_ns()
                way.taken_up_ns = way.taken_up_ns or now_ns

    def decided(self, height: Height, transactions: Iterable[Transaction]) -> None:
        """They are the batch of this height."""
        chosen = [one for one in transactions if self._tracer.takes(one.id)]
        if chosen:
            self.taken_up(chosen)
            ways = {one.id: self._ways.pop(one.id) for one in {one.id: one for one in chosen}.values()}
            self._blocks[height] = _Block(ways, self._tracer.now_ns())
            for oldest in list(islice(self._blocks, max(0, len(self._blocks) - TRACED_TRANSACTIONS))):
                del self._blocks[oldest]

    def executed(self, height: Height, began_ns: int) -> None:
        block = self._blocks.get(height)
        if block is not None:
            block.began_ns, block.executed_ns = began_ns, self._tracer.now_ns()

    def stored(self, height: Height) -> None:
        block = self._blocks.get(height)
        if block is not None:
            block.stored_ns = self._tracer.now_ns()

    def certified(self, sealed: SealedBlock) -> None:
        """The block stands: everything about its transactions is told."""
        height = sealed.header.height
        block = self._blocks.pop(height, None)
        if block is None:
            return
        now_ns = self._tracer.now_ns()
        first = len(sealed.receipts) - len(sealed.envelopes)
        for position, transaction_id in enumerate(sealed.transaction_ids, first):
            way = block.ways.get(transaction_id) if transaction_id is not None else None
            if transaction_id is None or way is None:
                continue
            facts: Facts = {
                LEDGER: self._ledger,
                HEIGHT: int(height),
                POSITION: position,
                CONTRACT: way.contract,
                FUNCTION: way.function,
            }
            code = parse_receipt(sealed.receipts[position]).code
            self._tracer.part(
                transaction_id, "validator", _steps(way, block, now_ns), facts, of=self._ledger, code=code
            )

    def _begin(self, transaction: Transaction) -> _Way:
        if len(self._ways) >= TRACED_TRANSACTIONS:
            del self._ways[next(iter(self._ways))]
        body = transaction.body
        way = self._ways[transaction.id] = _Way(body.contract, body.function)
        return way


def _steps(way: _Way, block: _Block, certified_ns: int) -> list[Step]:
    return [
        Step("admission", way.came_ns, way.admitted_ns),
        Step("mempool", way.admitted_ns, way.taken_up_ns),
        Step("order", way.taken_up_ns, block.decided_ns),
        Step("execution", block.began_ns, block.executed_ns),
        Step("store", block.executed_ns, block.stored_ns),
        Step("certificate", block.executed_ns, certified_ns),
    ]
