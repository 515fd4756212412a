"""Someone who writes without pause, and notes what was acknowledged: run where the cluster's names hold.

python -m tests.k8s.load NETWORK FILE       a line `time_ms transaction_id` for each commit, until SIGTERM
python -m tests.k8s.load NETWORK FILE check every noted transaction is on the ledger; how many, and the longest pause
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

from ledgernode.cli.connection import Connection
from ledgernode.errors import LedgerError
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId

THREADS = 3


def write(network: Path, file: Path) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    noting = threading.Lock()
    with file.open("a", buffering=1) as noted:

        def one(number: int) -> None:
            at = Connection(network)
            signer = at.signer()
            count = 0
            with at.open() as ledger:
                while not stopping.is_set():
                    count += 1
                    entry = f"{number}-{time.time_ns()}-{count}"
                    try:
                        found = ledger.submit("notice_board", "write", {"entry": entry, "text": "x"}, signer=signer)
                    except LedgerError as error:
                        sys.stderr.write(f"{error.code}\n")
                        time.sleep(0.05)
                        continue
                    with noting:
                        noted.write(f"{time.time_ns() // 1_000_000} {found.transaction_id.hex()}\n")

        threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def check(network: Path, file: Path) -> None:
    lines = [line.split() for line in file.read_text().splitlines() if len(line.split()) == 2]
    times = sorted(int(time_ms) for time_ms, _ in lines)
    longest = max((after - before for before, after in pairwise(times)), default=0)
    with Connection(network).open() as ledger:
        for _, transaction in lines:
            found = ledger.transaction(TransactionId(bytes.fromhex(transaction)))
            assert parse_receipt(found.receipt).succeeded, f"{transaction} was acknowledged, and is not there"
    sys.stdout.write(f"{len(lines)} {longest}\n")


if __name__ == "__main__":
    (check if sys.argv[3:] == ["check"] else write)(Path(sys.argv[1]), Path(sys.argv[2]))
