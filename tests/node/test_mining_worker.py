"""A worker process searches for one job at a time, gives it up at once, and is replaced when it dies."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from ledgernode.consensus.engine import MiningJob
from ledgernode.consensus.pow.header import MAX_TARGET
from ledgernode.node.mining import Miner, search_slice
from tests.conditions import eventually

pytestmark = pytest.mark.slow

EASY, HARD = (1 << 244) - 1, 1


class Found:
    """What a miner has found, and a miner."""

    def __init__(self, share_percent: int = 100) -> None:
        self.nonces: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()
        self.miner = Miner(lambda prefix, nonce: self.nonces.put_nowait((prefix, nonce)), share_percent=share_percent)

    @property
    def cpu_s(self) -> float:
        """What the worker has used so far."""
        assert self.miner._process is not None
        fields = Path(f"/proc/{self.miner._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    async def next(self) -> tuple[bytes, int]:
        return await asyncio.wait_for(self.nonces.get(), 30)


@pytest.fixture
async def found() -> AsyncIterator[Found]:
    made = Found()
    yield made
    await made.miner.close()


def meets(prefix: bytes, nonce: int, target: int) -> bool:
    return int.from_bytes(sha256(sha256(prefix + nonce.to_bytes(8, "big")).digest()).digest(), "big") <= target


def test_a_slice_finds_the_first_nonce_that_meets_the_target() -> None:
    """Double SHA-256 of prefix and nonce, at most the target; None when the slice holds none."""
    nonce = search_slice(b"prefix", EASY, 0, 100_000)
    assert nonce is not None
    assert meets(b"prefix", nonce, EASY)
    assert search_slice(b"prefix", EASY, 0, nonce) is None


async def test_a_nonce_is_found_for_each_job(found: Found) -> None:
    """One after another, each for its own prefix."""
    for prefix in (b"one", b"two"):
        found.miner.search(MiningJob(prefix, EASY))
        named, nonce = await found.next()
        assert named == prefix
        assert meets(prefix, nonce, EASY)


async def test_a_newer_job_interrupts_a_hopeless_one(found: Found) -> None:
    """It is given up within milliseconds, whatever was to be searched: it would take for ever."""
    found.miner.search(MiningJob(b"warm", EASY))
    await found.next()
    found.miner.search(MiningJob(b"hopeless", HARD))
    await asyncio.sleep(0.1)
    found.miner.search(MiningJob(b"new", EASY))
    assert (await found.next())[0] == b"new"


async def test_a_dead_worker_is_replaced_with_the_next_job(found: Found) -> None:
    """Killed by the system, say: mining goes on with another."""
    found.miner.search(MiningJob(b"first", EASY))
    await found.next()
    assert found.miner._process is not None
    found.miner._process.kill()
    await eventually(lambda: found.miner._process is None)
    found.miner.search(MiningJob(b"second", EASY))
    assert (await found.next())[0] == b"second"


async def test_a_worker_leaves_most_of_a_core_to_others() -> None:
    """While a hopeless search lasts, it computes for about its share of the time and rests for the rest of it."""
    found = Found(share_percent=20)
    try:
        found.miner.search(MiningJob(b"warm", EASY))
        await found.next()
        begun, before_s = time.monotonic(), found.cpu_s
        found.miner.search(MiningJob(b"hopeless", HARD))
        await eventually(lambda: found.cpu_s - before_s > 0.3, 30)  # on a busy machine it gets less
        share = (found.cpu_s - before_s) / (time.monotonic() - begun)
    finally:
        await found.miner.close()
    assert 0.01 < share < 0.3


async def test_a_resting_worker_wakes_for_a_new_job() -> None:
    """With a share of 1 % it rests for a hundred times as long as it searches; a new job ends that at once."""
    found = Found(share_percent=1)
    try:
        found.miner.search(MiningJob(b"warm", MAX_TARGET))
        await found.next()
        found.miner.search(MiningJob(b"hopeless", HARD))
        await asyncio.sleep(0.3)
        found.miner.search(MiningJob(b"new", MAX_TARGET))
        assert (await found.next())[0] == b"new"
    finally:
        await found.miner.close()
