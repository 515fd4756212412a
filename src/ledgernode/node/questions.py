"""Signed questions, answered from the state at the level they ask for.

A question is checked like a transaction: form, signature, validity by the node's clock, then registration
and role against the state. Each is tried at once with a small budget, which is enough for most; one that needs
more of what it declares runs again beside the event loop, so that it delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from ledgernode.config import QUERY_INLINE_BUDGET, QUERY_THREADS
from ledgernode.errors import BudgetExceeded, HeightNotReached, MalformedTransaction
from ledgernode.execution.contracts import Contracts
from ledgernode.execution.query import evaluate
from ledgernode.node.admission import Admission
from ledgernode.node.door import check_validity
from ledgernode.node.frontier import Frontier
from ledgernode.node.head import Head
from ledgernode.node.waiting import Progress
from ledgernode.store.chain import ChainStore
from ledgernode.wire.answers import Answer, ReadLevel
from ledgernode.wire.transaction import Kind, Nonce, Transaction
from ledgernode.wire.types import Height, TimeMs


class Questions:
    """Evaluates on one ledger."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        contracts: Contracts,
        admission: Admission,
        head: Head,
        progress: Progress,
        clock_ms: Callable[[], TimeMs],
        frontier: Frontier | None = None,
    ) -> None:
        self._chain = chain
        self._contracts = contracts
        self._admission = admission
        self._head = head
        self._progress = progress
        self._clock_ms = clock_ms
        self._frontier = frontier
        self._threads = ThreadPoolExecutor(max_workers=QUERY_THREADS, thread_name_prefix="query")

    async def ask(self, raw: bytes, level: ReadLevel, height: int, seconds: float) -> Answer:
        """The answer, and the height whose state gave it.

        For a linearizable answer a quorum is asked how far it is; a single validator's own state is the newest
        there is. Raises HeightNotReached when the chain does not come so far in time, and whatever refuses the
        question.
        """
        query = self._admission.check(raw, Kind.QUERY)
        self._check_validity(query)
        if level in (ReadLevel.AT_LEAST, ReadLevel.AT_HEIGHT):
            await self._reached(height, seconds)
        if level is ReadLevel.LINEARIZABLE and self._frontier is not None:
            await self._reached(await self._frontier.height(seconds), seconds)
        at = Height(height) if level is ReadLevel.AT_HEIGHT else None
        answering = partial(evaluate, self._chain, height=at, contracts=self._contracts)
        try:
            return Answer(*answering(_at_most(QUERY_INLINE_BUDGET, query)))
        except BudgetExceeded:
            if query.body.budget <= QUERY_INLINE_BUDGET:
                raise
        loop = asyncio.get_running_loop()
        return Answer(*await loop.run_in_executor(self._threads, answering, query))

    def close(self) -> None:
        self._threads.shutdown()

    def _check_validity(self, query: Transaction) -> None:
        nonce = query.body.replay
        if not isinstance(nonce, Nonce):
            raise MalformedTransaction("a question carries a nonce and an end of validity, no sequence number")
        time_ms = max(self._clock_ms(), self._chain.head.time_ms)
        check_validity(nonce.valid_until_ms, time_ms, self._head.parameters.validity_ms)

    async def _reached(self, height: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._progress.beyond(height - 1)
        except TimeoutError:
            raise HeightNotReached(f"block {height} is not there yet, the last is {self._progress.height}") from None


def _at_most(budget: int, query: Transaction) -> Transaction:
    """The same question with no more than this budget."""
    if query.body.budget <= budget:
        return query
    return msgspec.structs.replace(query, body=msgspec.structs.replace(query.body, budget=budget))
