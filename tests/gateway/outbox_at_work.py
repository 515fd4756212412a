"""An outbox as a process of its own, to be killed: it takes entries without end and says which of them are safe.

    python -m tests.gateway.outbox_at_work DIRECTORY FIRST

Prints `safe N` when entry N was acknowledged, and `settled N` when the ledger is said to have taken it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from gateway.limits import Limits
from gateway.outbox.entry import Entry, Sender, lane_of
from gateway.outbox.outbox import Outbox
from ledgernode.client import Outcome, Stage
from ledgernode.wire.types import Height, TransactionId, sha256

SENDER = Sender("north", "gateway", "concentrator")
CREATORS = 7
AT_ONCE = 50


def entry(number: int) -> Entry:
    creator = sha256(b"creator" + bytes((number % CREATORS,)))
    envelope = bytes(65 + 64 + 48) + creator + f"envelope {number} ".encode() * 20
    return Entry(lane_of(SENDER.account, creator), number, sha256(envelope), number, envelope)


async def main(directory: Path, first: int) -> None:
    outbox = Outbox(directory, Limits(), lambda: time.time_ns() // 1_000_000)
    writing = asyncio.create_task(outbox.write())
    settling = asyncio.create_task(settle(outbox))
    while not (writing.done() or settling.done()):
        numbers = range(first, first + AT_ONCE)
        await asyncio.gather(*(outbox.offer(SENDER, entry(number)) for number in numbers))
        sys.stdout.write("".join(f"safe {number}\n" for number in numbers))
        sys.stdout.flush()
        first += AT_ONCE


async def settle(outbox: Outbox) -> None:
    """Every second batch is committed; the others stay on their way."""
    while True:
        for found in await outbox.batch():
            if found.sequence % 2:
                outbox.answered(found, Outcome(TransactionId(found.id), Stage.COMMITTED, "OK", height=Height(1)))
                sys.stdout.write(f"settled {found.sequence}\n")
            else:
                outbox.answered(found, Outcome(TransactionId(found.id), Stage.REFUSED, "MEMPOOL_FULL"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
