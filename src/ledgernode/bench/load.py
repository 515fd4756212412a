"""A client process: signs ahead, waits to be told, streams batches, and tells what it saw.

    python -m ledgernode.bench.load

It reads its `Task` as a line of JSON, says `ready`, begins when a line comes, and writes its `Record` as a
line of JSON. Signing is the work of meters and customers on machines of their own, so it is done before the
clock runs; only what was not foreseen is signed on the way. A transaction's time runs from when it is handed
to the client library until its outcome is known, from a durable block that has its certificate.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import uvloop

from ledgernode.bench.plan import BUDGET, CONTRACT, VALUE_BYTES, WARM_UP_S, Record, Task, Workload
from ledgernode.client import LedgerClient, Signed, Signer
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.tls import channel_credentials, load_tls
from ledgernode.wire.types import ChainId, TransactionId

_CHUNK = 100  # transactions between two turns of the loop


class Load:
    """One stream to each endpoint; together they hold at most `window` unanswered."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._signers = [
            Signer(load_identity(Path(folder))[0], chain_id=ChainId(task.chain_id), validity_ms=590_000)
            for folder in task.identities
        ]
        self._ready = [self._sign_ahead(place) for place in range(len(task.endpoints))]
        self._sent_at: dict[TransactionId, float] = {}
        self._room = asyncio.Event()
        self._latencies_us: list[int] = []
        self._failures: Counter[str] = Counter()
        self._committed = 0

    def _sign_ahead(self, place: int) -> Iterator[Signed]:
        """Transactions of one stream: those signed now, then ones signed when they are asked for."""
        endless = self._transactions(place)
        ahead = list(itertools.islice(endless, self._task.sign_ahead // len(self._task.endpoints)))
        return itertools.chain(ahead, endless)

    def _transactions(self, place: int) -> Iterator[Signed]:
        chance = random.Random((self._task.number << 16) + place)  # noqa: S311  # spreads keys, hides nothing
        signer, digits = self._signers[place], VALUE_BYTES // 2
        while True:
            arguments = {"value": chance.randbytes(digits).hex()}
            if self._task.workload is Workload.PUT:
                arguments["key"] = chance.randbytes(12).hex()
            yield signer.transaction(CONTRACT, self._task.workload, arguments, budget=BUDGET)

    async def run(self) -> Record:
        self._begins = time.monotonic() + WARM_UP_S
        self._ends = self._begins + self._task.seconds
        counts = await asyncio.gather(*(self._stream(place) for place in range(len(self._task.endpoints))))
        return Record(self._committed, sum(counts), self._task.seconds, self._latencies_us, dict(self._failures))

    async def _stream(self, place: int) -> int:
        """How many were committed in the steady part."""
        folder, endpoint = Path(self._task.identities[place]), self._task.endpoints[place]
        steady = 0
        async with LedgerClient([endpoint], self._task.ledger, channel_credentials(load_tls(folder))) as client:
            async for outcomes in client.submit_batches(self._source(place)):
                now = time.monotonic()
                counts = self._begins <= now < self._ends
                for outcome in outcomes:
                    sent = self._sent_at.pop(outcome.transaction_id)
                    if not outcome.succeeded:
                        self._failures[outcome.code] += 1
                        continue
                    self._committed += 1
                    if counts:
                        steady += 1
                        self._latencies_us.append(int((now - sent) * 1_000_000))
                self._room.set()
        return steady

    async def _source(self, place: int) -> AsyncIterator[Signed]:
        """Whole batches, while there is room for them and, at a given rate, when it is their time."""
        streams = len(self._task.endpoints)
        pause_s = _CHUNK * streams / self._task.rate if self._task.rate else 0.0
        due = time.monotonic() + pause_s * place / streams
        while time.monotonic() < self._ends:
            if pause_s:
                await asyncio.sleep(due - time.monotonic())
                due += pause_s
            while len(self._sent_at) > self._task.window - _CHUNK:
                self._room.clear()
                await self._room.wait()
            batch = list(itertools.islice(self._ready[place], _CHUNK))
            now = time.monotonic()
            for signed in batch:
                self._sent_at[signed.id] = now
            for signed in batch:
                yield signed


def main() -> None:
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    load = Load(task)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(msgspec.json.encode(uvloop.run(load.run())).decode() + "\n")


if __name__ == "__main__":
    main()
