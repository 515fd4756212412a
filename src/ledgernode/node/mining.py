"""Searching for nonces in a process of its own, which leaves most of a core to others.

    python -m ledgernode.node.mining SHARE_PERCENT

Each line on its standard input is a job: prefix (hex), target (hex), first nonce; an empty prefix means rest. It
looks for a new line after every few thousand hashes, so a search is given up within milliseconds. What it finds
it prints: prefix, nonce. It is nice to others, and beyond that it sleeps for its share.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from ledgernode.config import MINING_NICENESS, MINING_SHARE_PERCENT, MINING_SLICE_HASHES
from ledgernode.consensus.engine import MiningJob

_NONCES: Final = 1 << 64
_READ_BYTES: Final = 4_096


class Miner:
    """Searches for the newest job only. `found` is called with the prefix and the nonce."""

    def __init__(self, found: Callable[[bytes, int], None], *, share_percent: int = MINING_SHARE_PERCENT) -> None:
        self._found = found
        self._share_percent = share_percent
        self._job: MiningJob | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""

    def search(self, job: MiningJob | None) -> None:
        """Search for this instead of whatever was searched for; None: rest."""
        if job == self._job:
            return
        self._job = job
        if self._process is None and job is not None:
            self._start()
        if self._process is not None:
            self._tell(self._process)

    async def close(self) -> None:
        """End the worker."""
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def _start(self) -> None:
        # made without fork(): gRPC's threads and connections do not live through one
        self._process = subprocess.Popen(  # noqa: S603  # our own module, by our own interpreter
            [sys.executable, "-m", "ledgernode.node.mining", str(self._share_percent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        os.set_blocking(self._process.stdout.fileno(), False)
        self._heard = b""
        asyncio.get_running_loop().add_reader(self._process.stdout.fileno(), self._listen, self._process)

    def _tell(self, worker: subprocess.Popen[bytes]) -> None:
        assert worker.stdin is not None
        job = self._job
        # members search in different places: each begins at a random nonce
        line = " 0 0" if job is None else f"{job.prefix.hex()} {job.target:x} {random.getrandbits(62):x}"
        try:
            worker.stdin.write(line.encode() + b"\n")
        except OSError:
            self._lost()

    def _listen(self, worker: subprocess.Popen[bytes]) -> None:
        assert worker.stdout is not None
        heard = worker.stdout.read(_READ_BYTES)
        if not heard:
            self._lost()
            return
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            prefix, nonce = line.decode().split()
            self._found(bytes.fromhex(prefix), int(nonce, 16))

    def _lost(self) -> None:
        """The worker has ended without being told, or does not listen: the next job starts another."""
        self._end()
        self._job = None


def work(source: Any, tell: Callable[[bytes, int], None], share_percent: int) -> None:
    """Search as told by lines of `source`, until it ends."""
    prefix, target, nonce = b"", 0, 0
    while True:
        if not prefix or select.select([source], [], [], 0)[0]:
            line = source.readline()
            if not line:
                return
            first, second, third = line.decode().split(" ")
            prefix, target, nonce = bytes.fromhex(first), int(second, 16), int(third, 16)
            continue
        began = time.monotonic()
        found = search_slice(prefix, target, nonce, MINING_SLICE_HASHES)
        if found is not None:
            tell(prefix, found)
            prefix = b""
            continue
        nonce = (nonce + MINING_SLICE_HASHES) % _NONCES
        spent_s = time.monotonic() - began
        rest_s = spent_s * (100 - share_percent) / share_percent
        if rest_s > 0:
            select.select([source], [], [], rest_s)


def search_slice(prefix: bytes, target: int, first: int, count: int) -> int | None:
    """The first nonce of so many whose double SHA-256 is at most the target."""
    begun, limit = sha256(prefix), target.to_bytes(32, "big")
    for nonce in range(first, first + count):
        inner = begun.copy()
        inner.update(nonce.to_bytes(8, "big"))
        if sha256(inner.digest()).digest() <= limit:
            return nonce
    return None


def _main() -> None:
    os.nice(MINING_NICENESS)
    with open(0, "rb", buffering=0, closefd=False) as source:  # standard input, unbuffered
        work(source, _say, int(sys.argv[1]))


def _say(prefix: bytes, nonce: int) -> None:
    sys.stdout.write(f"{prefix.hex()} {nonce:x}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
