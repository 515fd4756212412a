"""How many transactions a second one validator commits: one node process, one client process, one stream.

    python -m tests.suites.throughput [SECONDS] [--profile FILE]

Every transaction is a signed put of 100 bytes under a key of its own, counted when its outcome comes back
from a certified, durable block. Signing runs in the client while it sends.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

from tests.running import NodeProcess, SoloNetwork, deploy, notes


async def measure(node: NodeProcess, seconds: float) -> tuple[float, list[int]]:
    """Committed transactions a second over the whole run, and how many came in each half second."""
    signer = node.network.admin.signer
    ends = time.monotonic() + seconds
    numbers = count()

    def source():  # type: ignore[no-untyped-def]
        while time.monotonic() < ends:
            yield notes(signer, [f"{next(numbers) * 2654435761 % (1 << 32):08x}"])[0]

    started, done = time.monotonic(), 0
    slices: list[int] = [0]
    async with node.client() as client:
        async for outcome in client.submit_many(source()):
            assert outcome.succeeded, outcome
            done += 1
            place = int((time.monotonic() - started) * 2)
            while len(slices) <= place:
                slices.append(0)
            slices[place] += 1
    return done / (time.monotonic() - started), slices


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else 5.0
    with tempfile.TemporaryDirectory() as folder:
        network = SoloNetwork(Path(folder))
        with NodeProcess(network) as node:
            with node.ledger() as ledger:
                deploy(ledger, network)
                before = ledger.facts().height
            rate, slices = asyncio.run(measure(node, seconds))
            with node.ledger() as ledger:
                blocks = ledger.facts().height - before
            sys.stdout.write(
                f"{rate:,.0f} committed transactions a second; {sum(slices)} in {blocks} blocks "
                f"of {sum(slices) // max(blocks, 1)}; median half second {statistics.median(slices):,.0f}\n"
            )


if __name__ == "__main__":
    main()
