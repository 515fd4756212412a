"""Transactions coming in, and what became of them.

A transaction that arrives again while it waits joins the first one's wait; one that is in the chain already
is refused as a duplicate, and its outcome is asked for by its id. Nobody is told "committed" before the
block is durable and certified, and nobody is told "never" before chain time has passed the validity: chain
time moves only with blocks, so on an idle chain that answer may not come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from ledgernode.errors import CommitUnknown, LedgerError, MempoolFull, Pruned
from ledgernode.execution.replay import LONGEST_VALIDITY_MS
from ledgernode.logs import says_all
from ledgernode.node.admission import Admission, Checked
from ledgernode.node.announcement import admitted, committed, never, refused
from ledgernode.node.door import Door
from ledgernode.node.driver import Driver
from ledgernode.node.measures import Measures
from ledgernode.node.mempool import Mempool
from ledgernode.node.turns import Turn, Turns
from ledgernode.node.waiting import Answer, Inbox, Progress, Waiters
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Outcome, Wait
from ledgernode.wire.transaction import Transaction
from ledgernode.wire.types import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Height, TransactionId, sha256


class Submissions:
    """Admits into the mempool of one ledger and waits for its blocks."""

    def __init__(
        self,
        *,
        admission: Admission,
        door: Door,
        mempool: Mempool,
        driver: Driver,
        waiters: Waiters,
        progress: Progress,
        chain: ChainStore,
        forward: Callable[[list[bytes]], None] | None = None,
        measures: Measures | None = None,
        log: Any = None,
        turn: Turn | None = None,
    ) -> None:
        self._log = log
        self._turn = turn or Turns().of("alone")
        self._measures = measures or Measures()
        self._admission = admission
        self._door = door
        self._mempool = mempool
        self._driver = driver
        self._waiters = waiters
        self._progress = progress
        self._chain = chain
        self._forward = forward

    async def submit(self, raw: bytes, wait: Wait, seconds: float) -> Outcome:
        """One transaction, and its outcome as far as `wait` says.

        Raises its refusal; CommitUnknown when the time is over first.
        """
        self._driver.require_open()
        began_ns = self._now_ns()
        transaction = self._let_in([self._admission.checked(raw)], began_ns)[0]
        if isinstance(transaction, LedgerError):
            self._say_refused(raw, transaction)
            raise transaction
        if wait is Wait.ADMITTED:
            return admitted(transaction.id)
        answer = Answer()
        self._waiters.add(transaction.id, answer)
        try:
            return await answer.within(seconds)
        except TimeoutError:
            raise _unknown(transaction.id) from None
        finally:
            self._waiters.forget(transaction.id, answer)

    async def submit_many(self, envelopes: Sequence[bytes], wait: Wait, inbox: Inbox) -> None:
        """Put into the inbox each refusal now, and each outcome when it comes, as far as `wait` says."""
        at, began_ns, began_s = 0, self._now_ns(), time.thread_time()
        async for checked in self._admission.check_many(envelopes):
            self._driver.require_open()
            for found in self._let_in(checked, began_ns):
                if isinstance(found, LedgerError):
                    self._say_refused(envelopes[at], found)
                    inbox(refused(_id_of(envelopes[at]), found))
                elif wait is Wait.ADMITTED:
                    inbox(admitted(found.id))
                else:
                    self._waiters.add(found.id, inbox)
                at += 1
            await self._turn.rest(time.thread_time() - began_s)
            began_ns, began_s = self._now_ns(), time.thread_time()

    async def status(self, transaction_id: TransactionId, valid_until_ms: int, seconds: float) -> Outcome:
        """What became of it; waits for it. Raises CommitUnknown when the time is over first."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    height = self._progress.height
                    outcome = self._known(transaction_id, valid_until_ms)
                    if outcome is not None:
                        return outcome
                    await self._progress.beyond(height)
        except TimeoutError:
            raise _unknown(transaction_id) from None

    def _now_ns(self) -> int:
        """For traces, where there are any."""
        return 0 if self._measures.traces is None else self._measures.traces.now_ns()

    def _let_in(self, checked: Sequence[Checked], began_ns: int) -> list[Checked]:
        """Past the door into the mempool, in one go: nothing can be committed between the two."""
        waits = [isinstance(found, Transaction) and found.id in self._mempool for found in checked]
        fresh = [found for found, already in zip(checked, waits, strict=True) if not already]
        looked_at = iter(self._door.check_many(fresh) if fresh else ())
        let_in: list[Checked] = []
        for found, already in zip(checked, waits, strict=True):
            result = found if already else next(looked_at)
            if isinstance(result, Transaction):
                try:
                    self._mempool.add(result)
                except MempoolFull as full:
                    result = full
            if isinstance(result, LedgerError):
                self._measures.refused.note(result.code)
            let_in.append(result)
        first = next((found for found in let_in if isinstance(found, Transaction)), None)
        if first is not None:
            self._measures.came(first.id)
        if self._measures.traces is not None:
            self._measures.traces.admitted(let_in, began_ns)
        if self._forward is not None and fresh:
            self._forward([found.raw for found in let_in if isinstance(found, Transaction)])
        self._driver.work_arrived()
        return let_in

    def _say_refused(self, envelope: bytes, refusal: LedgerError) -> None:
        if self._log is not None and says_all():
            named = _id_of(envelope).hex()
            self._log.debug("transaction refused", transaction=named, code=refusal.code, reason=str(refusal)[:200])

    def _known(self, transaction_id: TransactionId, valid_until_ms: int) -> Outcome | None:
        # time first: a block that comes between the two can only make the look-up find more
        time_ms = self._progress.time_ms
        place = self._locate(transaction_id, valid_until_ms)
        if place is not None and place[0] <= self._progress.height:
            height, position = place
            return committed(height, position, self._chain.receipts(height)[position])
        if place is None and 0 < valid_until_ms < time_ms:
            self._require_remembered(valid_until_ms)
            return never(transaction_id)
        return None

    def _require_remembered(self, valid_until_ms: int) -> None:
        """Who began from a snapshot knows of those before it only what was still valid then (Pruned)."""
        base = self._chain.base
        if base and valid_until_ms < self._chain.header(base).time_ms:
            raise Pruned(f"this node began from block {base}: it does not know what was committed long before")

    def _locate(self, transaction_id: TransactionId, valid_until_ms: int) -> tuple[Height, int] | None:
        if not valid_until_ms:
            return self._chain.locate(transaction_id)
        since_ms = max(0, valid_until_ms - LONGEST_VALIDITY_MS)
        return self._chain.locate_since((transaction_id,), since_ms).get(transaction_id)


def _id_of(envelope: bytes) -> TransactionId:
    """The id under which a refused envelope is answered: of its body, though that may be no body."""
    return TransactionId(sha256(envelope[PUBLIC_KEY_BYTES + SIGNATURE_BYTES :]))


def _unknown(transaction_id: TransactionId) -> CommitUnknown:
    return CommitUnknown(
        "the wait ended before the outcome was known; asking again is safe", transaction_id=transaction_id.hex()
    )
