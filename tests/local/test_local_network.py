"""A network's nodes start and stop together, and one that ends by itself is noticed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from ledgernode.errors import NodeUnreachable
from ledgernode.identity.founding import found_network
from ledgernode.local.network import LocalNetwork
from ledgernode.wire.parameters import Parameters
from tests.ports import fresh_port

pytestmark = pytest.mark.slow


def founded(directory: Path, ledger: str = "one") -> Path:
    found_network(
        directory,
        organisations=["north", "south"],
        ledger=ledger,
        engine="solo",
        base_port=fresh_port(),
        parameters=Parameters(),
        now_ms=time.time_ns() // 1_000_000,
    )
    return directory


def test_nodes_serve_until_the_network_is_left(tmp_path: Path) -> None:
    """Inside the `with` all run; after it none does, and each could finish what it had begun."""
    with LocalNetwork(founded(tmp_path / "network")) as running:
        running.wait_until_serving()
        running.check()
        (node,) = running.nodes.values()
        assert node.running
    assert not node.running
    assert "stopped" in node.log.read_text()


def test_a_node_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    """Whoever runs a network hears of it, with the end of the node's log."""
    with LocalNetwork(founded(tmp_path / "network")) as running:
        running.wait_until_serving()
        (node,) = running.nodes.values()
        node.send(signal.SIGKILL)
        node.kill()
        with pytest.raises(NodeUnreachable, match="has ended"):
            running.check()


def test_a_node_that_cannot_start_stops_the_others(tmp_path: Path) -> None:
    """Nothing is left running behind a failure."""
    directory = founded(tmp_path / "network")
    (directory / "nodes" / "north-1" / "node.json").write_text("{}")
    running = LocalNetwork(directory)
    with pytest.raises(NodeUnreachable, match="did not start"):
        running.wait_until_serving()
    assert not any(node.running for node in running.nodes.values())
