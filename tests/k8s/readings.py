"""A meter that reports through the cluster's gateway: run where the cluster's names hold.

python -m tests.k8s.readings NETWORK GATEWAY COUNT      says how many of them the ledger has in the end
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from gateway.client import GatewayClient
from ledgernode.cli.connection import Connection
from ledgernode.errors import UnknownTransaction
from ledgernode.wire.receipt import parse_receipt

LIMIT_S = 60.0


async def report(network: Path, gateway: str, count: int) -> int:
    meter = Connection(network, who="alpha/M-1")
    signer = meter.signer()
    numbering = network / "next-reading"  # a meter's numbers go on where they were
    first = int(numbering.read_text()) if numbering.exists() else 0
    numbering.write_text(str(first + count))
    sent = [
        signer.transaction(
            "notice_board",
            "write",
            {"entry": f"reading-{first + number}", "text": "mWh"},
            budget=50_000,
            sequence=first + number,
        )
        for number in range(count)
    ]
    async with GatewayClient(gateway, meter.credentials()) as client:
        await client.connect()
        answers = await client.send([one.envelope for one in sent])
        assert set(answers) == {"OK"}, answers
    with Connection(network).open() as ledger:
        ends = time.monotonic() + LIMIT_S
        while time.monotonic() < ends:
            try:
                found = [ledger.transaction(one.id) for one in sent]
            except UnknownTransaction:
                await asyncio.sleep(0.2)
                continue
            codes = [parse_receipt(one.receipt).code for one in found]
            sys.stderr.write(f"{sorted(set(codes))}\n")
            return codes.count("OK")
    return 0


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(report(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))}\n")
