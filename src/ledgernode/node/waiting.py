"""Who waits for what: outcomes of transactions, and the chain's progress.

A block is announced in one step. Nothing is made per transaction unless someone waits for that very
transaction, and then it is one call of what the waiter left here: a unary call leaves a future, a
stream one `Inbox` for all of its transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ledgernode.errors import LedgerError
from ledgernode.wire.answers import Outcome
from ledgernode.wire.types import Height, TimeMs, TransactionId

Listener = Callable[[Outcome | LedgerError], None]


class Waiters:
    """Listeners by transaction id. Each is called once, with the outcome or with why none will come."""

    def __init__(self) -> None:
        self._listeners: dict[TransactionId, list[Listener]] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    def __contains__(self, transaction_id: TransactionId | None) -> bool:
        return transaction_id in self._listeners

    def add(self, transaction_id: TransactionId, listener: Listener) -> None:
        self._listeners.setdefault(transaction_id, []).append(listener)

    def forget(self, transaction_id: TransactionId, listener: Listener) -> None:
        """The waiter has gone; nothing happens when it was called already."""
        listeners = self._listeners.get(transaction_id)
        if listeners is not None and listener in listeners:
            listeners.remove(listener)
            if not listeners:
                del self._listeners[transaction_id]

    def tell(self, transaction_id: TransactionId, what: Outcome | LedgerError) -> None:
        for listener in self._listeners.pop(transaction_id, ()):
            listener(what)

    def tell_all(self, what: LedgerError) -> None:
        """No outcome will come to anyone: the ledger halted or is closing."""
        for transaction_id in list(self._listeners):
            self.tell(transaction_id, what)


class Answer:
    """One caller's wait for one outcome."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def __call__(self, what: Outcome | LedgerError) -> None:
        if self._future.done():
            return
        if isinstance(what, LedgerError):
            self._future.set_exception(what)
        else:
            self._future.set_result(what)

    async def within(self, seconds: float) -> Outcome:
        """The outcome; raises TimeoutError when the time is over first, LedgerError when none will come."""
        async with asyncio.timeout(seconds):
            return await self._future


class Inbox:
    """Outcomes for one stream, gathered between two of its answers; or the `failure` that ends it."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []
        self.failure: LedgerError | None = None
        self._filled = asyncio.Event()
        self._closed = False

    def __call__(self, what: Outcome | LedgerError) -> None:
        if self._closed:
            return
        if isinstance(what, LedgerError):
            self.failure = what
        else:
            self._outcomes.append(what)
        self._filled.set()

    def wake(self) -> None:
        """Let `take` return although nothing new came."""
        self._filled.set()

    def close(self) -> None:
        """The stream has gone: what comes later is dropped."""
        self._closed = True
        self._outcomes.clear()

    async def take(self) -> list[Outcome]:
        """Everything gathered, as soon as there is something; then raises what was told instead of an outcome."""
        await self._filled.wait()
        taken, self._outcomes = self._outcomes, []
        if self.failure is None:
            self._filled.clear()
        elif not taken:
            raise self.failure
        return taken


class Progress:
    """How far the certified chain has come, and a bell that rings once a block."""

    def __init__(self, height: Height, time_ms: TimeMs) -> None:
        self.height = height
        self.time_ms = time_ms
        self._failure: LedgerError | None = None
        self._bell = asyncio.Event()

    def advance(self, height: Height, time_ms: TimeMs) -> None:
        self.height, self.time_ms = height, time_ms
        self._ring()

    def stop(self, reason: LedgerError) -> None:
        """No block will follow: everyone who waits for one is told why."""
        self._failure = reason
        self._ring()

    async def beyond(self, height: int) -> None:
        """Wait until the chain is higher than `height`; raises the reason when it will not become so."""
        while self.height <= height:
            if self._failure is not None:
                raise self._failure
            await self._bell.wait()

    def _ring(self) -> None:
        rung, self._bell = self._bell, asyncio.Event()
        rung.set()
