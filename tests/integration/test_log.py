"""A ledger that is ordered by a log: three real servers of NATS, four validators, and what happens to either.

The tests of every engine run on it too (`test_network_acceptance.py`); `make jetstream` has all of it, this file's
slow part and the drill.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.home import NodeConfig
from tests.conditions import until
from tests.nats_cluster import NatsCluster
from tests.networks import Load, RunningNetwork
from tests.running import FoundedNetwork, NodeProcess, notes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def stream_of(network: RunningNetwork) -> str:
    return f"ledger-{network.founded.chain_id.hex()[:24]}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="module")
def network(cluster: NatsCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    directory = tmp_path_factory.mktemp("log") / "network"
    with RunningNetwork(directory, "jetstream", 4, config={"nats": cluster.settings}) as running:
        running.deploy()
        yield running


def test_a_node_without_a_log_does_not_serve_such_a_ledger(tmp_path: Path) -> None:
    """It says what is missing, and where."""
    founded = FoundedNetwork(tmp_path / "network", "jetstream", ("north",))
    with pytest.raises(AssertionError, match=r"node\.json says nothing of it under `nats`"):
        NodeProcess(founded)


@pytest.mark.log
def test_the_leader_of_the_log_is_killed_under_load(cluster: NatsCluster, network: RunningNetwork) -> None:
    """One of three servers: order goes on, and nothing that was acknowledged is lost."""
    with Load(network, rate=100) as load:
        leader = cluster.leader_of(stream_of(network))
        gap_s = load.gap_after(leader.kill)
        acknowledged = load.end()
    network.settle(acknowledged)
    leader.start()
    cluster.wait_until_ready()
    assert gap_s < 20


@pytest.mark.log
def test_a_validator_is_killed_and_reads_on_where_its_chain_ends(network: RunningNetwork) -> None:
    """Nothing but the chain tells it where; what it missed it executes in the log's order, or fetches."""
    with Load(network, rate=100, nodes=network.nodes[:3]) as load:
        network.nodes[3].kill()
        network.require_progress(network.nodes[:3])
        network.nodes[3].start()
        acknowledged = load.end()
    network.settle(acknowledged)


@pytest.mark.log
def test_a_stream_made_anew_under_the_same_name_halts_everyone(cluster: NatsCluster, network: RunningNetwork) -> None:
    """Its sequences would begin again: it is never taken for the one that ordered the chain. The last of this file."""
    name = stream_of(network)
    made = cluster.ask(f"STREAM.INFO.{name}")["config"]
    assert cluster.ask(f"STREAM.DELETE.{name}")["success"]
    assert "error" not in cluster.ask(f"STREAM.CREATE.{name}", made)
    until(lambda: all(network.status(node).halted for node in network.nodes), 60)
    assert all("another stream" in network.status(node).halt_reason for node in network.nodes)
    height = network.status(network.nodes[0]).height
    with network.ledger(timeout_ms=2_000) as ledger, pytest.raises(Exception, match=r"halted|HALTED|no node"):
        ledger.submit_signed(notes(network.founded.admin.signer, ["never"])[0])
    assert network.status(network.nodes[0]).height == height


def test_a_single_server_orders_for_four(tmp_path: Path) -> None:
    """For development: one copy of the log; a validator that comes back reads on."""
    with (
        NatsCluster(tmp_path / "nats", 1) as cluster,
        RunningNetwork(tmp_path / "network", "jetstream", 4, config={"nats": cluster.settings}) as network,
    ):
        network.deploy()
        assert all(NodeConfig.read(home).nats == cluster.settings for home in network.founded.homes)
        network.nodes[3].kill()
        with network.ledger(nodes=network.nodes[:3]) as ledger:
            signer = network.founded.admin.signer
            acknowledged = list(ledger.submit_many(notes(signer, [f"note-{number}" for number in range(200)])))
        assert all(outcome.succeeded for outcome in acknowledged)
        height = max(outcome.height for outcome in acknowledged)
        until(lambda: network.status(network.nodes[0]).branch_height >= height)
        cluster.servers[0].kill()
        network.nodes[3].start()
        cluster.servers[0].start()
        network.require_progress()
        network.settle(acknowledged)
