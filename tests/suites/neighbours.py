"""How long a ledger's transactions take while its neighbour in the same process is overloaded, or has halted.

    python -m tests.suites.neighbours [SECONDS]

One client commits on one ledger, one transaction after another. Its neighbour rests, is sent more than it can take by
two further processes, or halts as its database is full. As a yardstick the same load goes to a ledger
behind a process of its own: what is lost then is the machine's, not the node's.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledgernode.errors import LedgerError
from ledgernode.identity.home import LedgerLimits
from tests.conditions import until
from tests.several import Organisations

PROBED, LOADED, FULL = "probed", "loaded", "full"
LOADERS = 2


def remark(place: Organisations, organisation: str, ledger: str, text: str) -> Any:
    signer = place.person(organisation, ledger).signer
    return signer.transaction("identity", "suspend", {"identity": "0" * 64, "reason": text}, budget=20_000)


def latencies(place: Organisations, seconds: float) -> list[float]:
    """In milliseconds, of one commit after another."""
    found: list[float] = []
    ends = time.monotonic() + seconds
    with place.ledger("north", PROBED) as ledger:
        while time.monotonic() < ends:
            signed = remark(place, "north", PROBED, str(len(found)))
            began = time.perf_counter()
            assert ledger.submit_signed(signed, raise_refused=False).height
            found.append((time.perf_counter() - began) * 1_000)
    return found


def load(folder: Path, organisation: str, endpoint: str) -> None:
    """Send for ever, as one stream takes it."""
    from ledgernode.client import Ledger
    from ledgernode.identity.organisation import identity_directory
    from ledgernode.wire.genesis import chain_id
    from tests.running import Person

    chain = chain_id((folder / f"{LOADED}-{organisation}.genesis.json").read_bytes())
    person = Person(identity_directory(folder / "organisations" / organisation, "admin"), chain)

    def source() -> Iterator[Any]:
        arguments = {"identity": "0" * 64, "reason": "x" * 100}
        while True:
            yield person.signer.transaction("identity", "suspend", arguments, budget=20_000)

    with Ledger([endpoint], f"{LOADED}-{organisation}", person.credentials) as ledger:
        for _ in ledger.submit_many(source()):
            pass


@contextmanager
def loaded(place: Organisations, organisation: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.suites.neighbours", "--load", str(place.directory), organisation]
    clients = [subprocess.Popen([*command, place.endpoints[organisation]]) for _ in range(LOADERS)]
    try:
        before = height(place, organisation)
        until(lambda: height(place, organisation) > before + 3, 60)
        yield
    finally:
        for client in clients:
            client.kill()
            client.wait()


def height(place: Organisations, organisation: str) -> int:
    return committed(place, organisation)[0]


def committed(place: Organisations, organisation: str) -> tuple[int, int]:
    """(height, transactions) of what is loaded."""
    with place.operator(organisation) as operator:
        (found,) = [one for one in operator.status().ledgers if one.ledger == f"{LOADED}-{organisation}"]
        return found.height, found.committed_transactions


def fill(place: Organisations) -> None:
    """Until it halts."""
    try:
        with place.ledger("north", FULL) as ledger:
            while True:
                many = [remark(place, "north", FULL, "x" * 20_000 + str(number)) for number in range(50)]
                list(ledger.submit_many(many))
    except LedgerError:
        return


def measured(folder: Path, seconds: float) -> Iterator[tuple[str, list[float], float]]:
    """(situation, latencies in ms, transactions a second that the neighbour committed)."""
    place = Organisations(folder, ("north", "south"), limits={FULL: LedgerLimits(store_bytes=2 * 1024 * 1024)})
    try:
        place.found(PROBED, ("north",))
        place.found(f"{LOADED}-north", ("north",))
        place.found(f"{LOADED}-south", ("south",))
        place.found(FULL, ("north",))
        place.join("north", PROBED, f"{LOADED}-north", FULL)
        place.join("south", f"{LOADED}-south")
        place.start()
        latencies(place, 1)
        yield "neighbours rest", latencies(place, seconds), 0
        for what, organisation in (
            ("the same load on another process", "south"),
            ("a neighbour is overloaded", "north"),
        ):
            with loaded(place, organisation):
                began, before = time.monotonic(), committed(place, organisation)[1]
                found = latencies(place, seconds)
                rate = (committed(place, organisation)[1] - before) / (time.monotonic() - began)
            yield what, found, rate
        fill(place)
        yield "a neighbour has halted", latencies(place, seconds), 0
    finally:
        place.close()


def main() -> None:
    if sys.argv[1:2] == ["--load"]:
        load(Path(sys.argv[2]), sys.argv[3], sys.argv[4])
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print("| situation | commits | p50 ms | p95 ms | longest ms | the neighbour's transactions/s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="neighbours-") as folder:
        for what, found, rate in measured(Path(folder), seconds):
            ordered = sorted(found)
            p95 = ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]
            row = (
                what,
                len(found),
                f"{statistics.median(found):.1f}",
                f"{p95:.1f}",
                f"{max(found):.1f}",
                f"{rate:.0f}",
            )
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
