"""Those who work without pause while a cluster changes, and note what was acknowledged: run where its names hold.

python -m tests.k8s.load NETWORK FILE writers            people who write straight to validators: a line for each commit
python -m tests.k8s.load NETWORK FILE devices GATEWAY    meters at the gateways: a line for each reading that is safe
python -m tests.k8s.load NETWORK FILE machine            nobody: a line for each small write that came to the disk
python -m tests.k8s.load NETWORK FILE check FROM TO      all that is noted is on the ledger; how much that is, and the
                                                         longest time between FROM and TO (ms) for which one of them,
                                                         or all writers together, heard nothing

A line is `time_ms who transaction`. Until SIGTERM. What a device has heard nothing of it sends again, as devices do.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec

from gateway.client import GatewayClient
from ledgernode.cli.connection import Connection
from ledgernode.client import Signed
from ledgernode.errors import LedgerError, UnknownTransaction
from ledgernode.wire.receipt import parse_receipt
from ledgernode.wire.types import TransactionId
from tests.k8s.consortium import METERS

MACHINE = "machine"
WRITER = "writer"
WRITERS = 3
DEVICES = METERS[1:]
READINGS_AT_ONCE = 5
ANEW_AFTER = 20
"""Every second device connects anew after so many: as devices that come and go."""
SETTLES_S = 120.0
PAUSE_S = 0.05
Note = Callable[[str, bytes], None]


def noting(file: Path) -> Note:
    """Appends a line for each."""
    noted = file.open("a", buffering=1)
    taking = threading.Lock()

    def note(who: str, transaction: bytes) -> None:
        with taking:
            noted.write(f"{time.time_ns() // 1_000_000} {who} {transaction.hex()}\n")

    return note


def people(network: Path, note: Note) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())

    def one(name: str) -> None:
        at = Connection(network)
        signer = at.signer()
        with at.open() as ledger:
            for count in itertools.count():
                if stopping.is_set():
                    return
                entry = f"{name}-{time.time_ns()}-{count}"
                try:
                    found = ledger.submit("notice_board", "write", {"entry": entry, "text": "x"}, signer=signer)
                except LedgerError as error:
                    sys.stderr.write(f"{name} {error.code}\n")
                    time.sleep(PAUSE_S)
                    continue
                note(name, found.transaction_id)

    threads = [threading.Thread(target=one, args=(f"{WRITER}/{number}",)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Reporting:
    """A meter at the gateways: its numbers go on where they were, and a stream that has ended is opened anew."""

    def __init__(self, network: Path, meter: str) -> None:
        self.name = meter
        self._at = Connection(network, who=f"alpha/{meter}")
        self._signer = self._at.signer()
        self._numbering = network / f"{meter}.next"

    def readings(self, count: int) -> list[Signed]:
        first = int(self._numbering.read_text()) if self._numbering.exists() else 0
        self._numbering.write_text(str(first + count))
        return [
            self._signer.transaction(
                "notice_board", "write", {"entry": f"{self.name}-{number}", "text": "mWh"},
                budget=50_000, sequence=number,
            )
            for number in range(first, first + count)
        ]  # fmt: skip

    async def report(self, gateway: str, note: Note, *, anew_after: int, stopping: asyncio.Event) -> None:
        waiting: list[Signed] = []
        while not stopping.is_set():
            try:
                async with GatewayClient(gateway, self._at.credentials(), timeout_ms=20_000) as client:
                    await client.connect()
                    for _ in range(anew_after):
                        waiting = waiting or self.readings(READINGS_AT_ONCE)
                        answers = await client.send([one.envelope for one in waiting])
                        for one, code in zip(waiting, answers, strict=True):
                            if code == "OK":
                                note(self.name, one.id)
                            else:
                                sys.stderr.write(f"{self.name} {code}\n")
                        waiting = [one for one, code in zip(waiting, answers, strict=True) if code != "OK"]
                        if waiting or stopping.is_set():
                            break
                        await asyncio.sleep(PAUSE_S)
            except LedgerError as error:
                sys.stderr.write(f"{time.time_ns() // 1_000_000} {self.name} {error.code} {error}\n")
            if waiting:
                await asyncio.sleep(PAUSE_S)


async def devices(network: Path, note: Note, gateway: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    working = [Reporting(network, meter) for meter in DEVICES]
    await asyncio.gather(
        *(
            one.report(gateway, note, anew_after=ANEW_AFTER if number % 2 else sys.maxsize, stopping=stopping)
            for number, one in enumerate(working)
        )
    )


def machine(file: Path) -> None:
    """What stops this stops everybody here: the others' pauses are to be read beside it."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    note = noting(file)
    with file.with_suffix(".written").open("ab", buffering=0) as written:
        while not stopping.wait(PAUSE_S):
            written.write(b"x" * 512)
            os.fdatasync(written.fileno())
            note(MACHINE, b"")


def noted(file: Path) -> list[tuple[int, str, str]]:
    lines = [line.split(" ") for line in file.read_text().splitlines()]
    return [(int(line[0]), line[1], line[2]) for line in lines if len(line) == 3]


def check(network: Path, file: Path, began_ms: int, ended_ms: int) -> tuple[int, int]:
    """Raises where one is missing."""
    lines = noted(file)
    heard: dict[str, list[int]] = defaultdict(list)
    for time_ms, who, _ in lines:
        heard[who.partition("/")[0]].append(time_ms)
    longest = max(
        after - before
        for times in heard.values() for before, after in pairwise(sorted(times))
        if after > began_ms and before < ended_ms
    )  # fmt: skip
    with Connection(network).open() as ledger:
        ends = time.monotonic() + SETTLES_S
        for _, who, transaction in lines:
            while who != MACHINE:
                try:
                    found = ledger.transaction(TransactionId(bytes.fromhex(transaction)))
                except UnknownTransaction:  # a gateway holds it yet
                    assert time.monotonic() < ends, f"{transaction} was acknowledged, and is not there"
                    time.sleep(PAUSE_S)
                    continue
                assert parse_receipt(found.receipt).succeeded, f"{transaction} was acknowledged, and did not succeed"
                break
    return len(lines), longest


def main(network: Path, file: Path, what: str, *rest: str) -> None:
    if what == "check":
        sys.stdout.write(msgspec.json.encode(check(network, file, *map(int, rest))).decode() + "\n")
    elif what == "devices":
        asyncio.run(devices(network, noting(file), rest[0]))
    elif what == "machine":
        machine(file)
    else:
        people(network, noting(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
