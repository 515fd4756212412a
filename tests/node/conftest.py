"""One ledger inside this process: its parts are real, its clock is moved by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledgernode.identity.home import validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.node.ledger import ServedLedger
from ledgernode.node.mempool import Mempool
from ledgernode.wire.types import TimeMs
from tests.running import SoloNetwork, now_ms


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = TimeMs(now_ms())

    def __call__(self) -> TimeMs:
        return self.now_ms

    def move(self, by_ms: int) -> None:
        self.now_ms = TimeMs(self.now_ms + by_ms)


class House:
    """A founded network and its one ledger, served without a network between."""

    def __init__(self, directory: Path) -> None:
        self.network = SoloNetwork(directory)
        self.clock = Clock()
        self.network.admin.signer._clock_ms = self.clock
        self.key = PrivateKey.load(validator_directory(self.network.home) / "key.pem")

    def open(self, **options: object) -> ServedLedger:
        self.served = ServedLedger(
            self.network.data,
            self.network.genesis_bytes,
            self.key,
            self.clock,
            mempool=Mempool(**options),  # type: ignore[arg-type]
        )
        return self.served

    def close(self) -> None:
        self.served.close()

    def remark(self, text: str = "x", **options: object):  # type: ignore[no-untyped-def]
        """A signed transaction that is always recorded: nobody is suspended by it."""
        arguments = {"identity": "0" * 64, "reason": text}
        return self.network.admin.signer.transaction("identity", "suspend", arguments, budget=10_000, **options)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
async def served(house: House) -> AsyncIterator[ServedLedger]:
    """Open and running."""
    house.open().start()
    yield house.served
    await house.served.stop()
    house.close()


@pytest.fixture
async def standing(house: House) -> AsyncIterator[ServedLedger]:
    """Open, and making no blocks; room for three transactions."""
    yield house.open(transactions=3)
    house.close()
