from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ledgernode.client import LedgerClient
from tests.client.scripted import ScriptedNode


@pytest.fixture
async def first() -> AsyncIterator[ScriptedNode]:
    node = ScriptedNode()
    node.address = await node.start()
    yield node
    await node.stop()


@pytest.fixture
async def second() -> AsyncIterator[ScriptedNode]:
    node = ScriptedNode()
    node.address = await node.start()
    yield node
    await node.stop()


@pytest.fixture
async def client(first: ScriptedNode, second: ScriptedNode) -> AsyncIterator[LedgerClient]:
    """Prefers the first node, may turn to the second."""
    async with LedgerClient([first.address, second.address], "test", timeout_ms=3_000) as ledger:
        yield ledger
