"""The same clients for code that is not asynchronous: each call blocks until it is answered.

    with Ledger(["node-1:7051", "node-2:7051"], "north", credentials) as ledger:
        signer = Signer(key, chain_id=ledger.facts().chain_id)
        ledger.submit("currency", "transfer", {"to": "…", "amount": 250}, signer=signer)
        for event in ledger.events(contract="currency"):
            …

The asynchronous client runs in a loop of its own thread; this face adds nothing to it. Streams are read one
item ahead of nobody: what is not asked for stays on the node.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final, Self, TypeVar

import grpc

from ledgernode.client.administration import NodeClient
from ledgernode.client.asynchronous import LedgerClient
from ledgernode.client.signer import Arguments, Signed, Signer
from ledgernode.config import DEFAULT_WAIT_MS, QUERY_BUDGET
from ledgernode.wire.answers import (
    Answer,
    Block,
    IdentityFacts,
    LedgerFacts,
    LocatedTransaction,
    NodeStatus,
    NumberedEvent,
    Outcome,
    PruneProgress,
    ReadLevel,
    SnapshotFacts,
    SnapshotProgress,
    Wait,
)
from ledgernode.wire.types import Height, TransactionId

_Value = TypeVar("_Value")
_AGAIN_S: Final = 0.5


class _Background:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger-client", daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, _Value]) -> _Value:
        waiting = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    def each(self, stream: AsyncIterator[_Value]) -> Iterator[_Value]:
        """A stream's items; leaving it early closes it."""

        asking: set[asyncio.Task[Any]] = set()

        async def following() -> tuple[_Value] | None:
            task = asyncio.current_task()
            assert task is not None
            asking.add(task)
            try:
                return (await anext(stream),)
            except StopAsyncIteration:
                return None
            finally:
                asking.discard(task)

        async def end() -> None:
            """Wherever an interrupt struck, a stream that is still being asked is let go before it is closed.

            A cancel that comes in the very moment of an answer may be lost on the way: then it is said again.
            """
            left = set(asking)
            while left:
                for task in left:
                    task.cancel()
                _, left = await asyncio.wait(left, timeout=_AGAIN_S)
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

        try:
            while (item := self.run(following())) is not None:
                yield item[0]
        finally:
            self.run(end())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Ledger:
    """The plain face of `LedgerClient`, method for method."""

    def __init__(
        self,
        endpoints: Sequence[str],
        ledger: str,
        credentials: grpc.ChannelCredentials | None = None,
        *,
        timeout_ms: int = DEFAULT_WAIT_MS,
    ) -> None:
        self._background = _Background()

        async def make() -> LedgerClient:
            return LedgerClient(endpoints, ledger, credentials, timeout_ms=timeout_ms)

        try:
            self._client = self._background.run(make())
        except BaseException:
            self._background.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._background.run(self._client.close())
        self._background.stop()

    def submit(
        self,
        contract: str,
        function: str,
        arguments: Arguments,
        *,
        signer: Signer,
        budget: int | None = None,
        sequence: int | None = None,
        wait: Wait = Wait.COMMITTED,
        raise_refused: bool = True,
    ) -> Outcome:
        """Sign and submit one transaction, and wait for what `wait` says. As `LedgerClient.submit`."""
        return self._background.run(
            self._client.submit(
                contract,
                function,
                arguments,
                signer=signer,
                budget=budget,
                sequence=sequence,
                wait=wait,
                raise_refused=raise_refused,
            )
        )

    def submit_signed(self, signed: Signed, *, wait: Wait = Wait.COMMITTED, raise_refused: bool = True) -> Outcome:
        """Submit what was signed before; it takes effect once."""
        return self._background.run(self._client.submit_signed(signed, wait=wait, raise_refused=raise_refused))

    def submit_many(self, transactions: Iterable[Signed], *, wait: Wait = Wait.COMMITTED) -> Iterator[Outcome]:
        """Stream signed transactions; yields each one's outcome as it comes, refusals included.

        The source is read in the client's own thread.
        """

        async def start() -> AsyncIterator[list[Outcome]]:
            return self._client.submit_batches(transactions, wait=wait)

        # by the batch: two threads that hand over single items wait for each other at every one of them
        for outcomes in self._background.each(self._background.run(start())):
            yield from outcomes

    def status_of(
        self, transaction_id: TransactionId, *, wait_ms: int | None = None, valid_until_ms: int = 0
    ) -> Outcome:
        """What became of a transaction; waits for it. As `LedgerClient.status_of`."""
        return self._background.run(
            self._client.status_of(transaction_id, wait_ms=wait_ms, valid_until_ms=valid_until_ms)
        )

    def evaluate(
        self,
        contract: str,
        function: str,
        arguments: Arguments,
        *,
        signer: Signer,
        level: ReadLevel | str = ReadLevel.LOCAL,
        height: int = 0,
        budget: int = QUERY_BUDGET,
    ) -> Answer:
        """Ask a contract at a read level. As `LedgerClient.evaluate`."""
        return self._background.run(
            self._client.evaluate(
                contract, function, arguments, signer=signer, level=level, height=height, budget=budget
            )
        )

    def blocks(self, from_height: int = 0, *, to_height: int = 0, headers_only: bool = False) -> Iterator[Block]:
        """Every block from a height on, then new ones as they come; up to `to_height` when it is given."""
        return self._background.each(self._client.blocks(from_height, to_height=to_height, headers_only=headers_only))

    def events(
        self, from_height: int = 0, *, contract: str = "", names: Sequence[str] = (), to_height: int = 0
    ) -> Iterator[NumberedEvent]:
        """Events from a height on, then new ones as they come; of one contract, or of some names only."""
        return self._background.each(
            self._client.events(from_height, contract=contract, names=names, to_height=to_height)
        )

    def facts(self) -> LedgerFacts:
        """Chain id, head, engine and limits."""
        return self._background.run(self._client.facts())

    def block(self, which: Height | bytes | None = None) -> Block:
        """A block by height or by header hash; the newest when neither is given."""
        return self._background.run(self._client.block(which))

    def transaction(self, transaction_id: TransactionId) -> LocatedTransaction:
        """A committed transaction with its receipt. Raises UnknownTransaction."""
        return self._background.run(self._client.transaction(transaction_id))

    def proof(self, transaction_id: TransactionId, item: int | None = None) -> bytes:
        """Evidence that holds against the genesis file alone."""
        return self._background.run(self._client.proof(transaction_id, item))


class Node:
    """The plain face of `NodeClient`, method for method."""

    def __init__(
        self,
        endpoints: Sequence[str],
        credentials: grpc.ChannelCredentials | None = None,
        *,
        timeout_ms: int = DEFAULT_WAIT_MS,
    ) -> None:
        self._background = _Background()

        async def make() -> NodeClient:
            return NodeClient(endpoints, credentials, timeout_ms=timeout_ms)

        try:
            self._client = self._background.run(make())
        except BaseException:
            self._background.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._background.run(self._client.close())
        self._background.stop()

    def status(self) -> NodeStatus:
        """Everything an operator looks at first."""
        return self._background.run(self._client.status())

    def identities(self, ledger: str, *, organisation: str = "") -> Iterator[IdentityFacts]:
        """Identities registered on a ledger; of one organisation only when it is named."""
        return self._background.each(self._client.identities(ledger, organisation=organisation))

    def create_snapshot(self, ledger: str) -> Iterator[SnapshotProgress]:
        """Have the node write a snapshot; the last progress names its path on the node."""
        return self._background.each(self._client.create_snapshot(ledger))

    def prune(
        self, ledger: str, *, below_height: int | None = None, keep_blocks: int | None = None
    ) -> Iterator[PruneProgress]:
        """Have the node forget the blocks below a height, or all but the newest so many."""
        return self._background.each(self._client.prune(ledger, below_height=below_height, keep_blocks=keep_blocks))

    def snapshots(self, ledger: str) -> tuple[SnapshotFacts, ...]:
        """What the node can give to a peer, newest first."""
        return self._background.run(self._client.snapshots(ledger))

    def set_log_level(self, level: str) -> str:
        """Log from this level on: debug, info, warning or error."""
        return self._background.run(self._client.set_log_level(level))
