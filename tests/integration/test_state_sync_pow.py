"""Miners that come back, or come for the first time, by a peer's snapshot: as processes, under load.

A snapshot holds the state, and nothing of the work behind it. What shows that such a miner has found its footing is a
later block of its own: the ledger has a reward, so that receipts name who found each block (there is no currency, and
nobody is paid).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgernode.consensus.pow.past import KEPT
from ledgernode.execution.reward import miner_of
from ledgernode.wire.answers import LedgerStatus
from ledgernode.wire.parameters import Parameters
from tests.integration.test_state_sync import folder, require_same, snapshots, wait_for, wipe
from tests.networks import OPTIONS, Load, RunningNetwork
from tests.running import LEDGER, NodeProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVERY_BLOCKS = 75
FAR_BLOCKS = 15
OUT_OF_REACH = KEPT + FAR_BLOCKS
"""Who lacks fewer blocks than this of an epoch may get all of them from the other miners, with the work behind them."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four miners; a snapshot every so many blocks, and "far" is less than that. Nobody keeps the first ones' work."""
    with RunningNetwork(
        tmp_path_factory.mktemp("sync") / "network",
        "pow",
        4,
        config={"snapshot_every_blocks": EVERY_BLOCKS, "sync_behind_blocks": FAR_BLOCKS},
        options={**OPTIONS["pow"], "interval_ms": 100, "block_reward_minor": 1},
        parameters=Parameters(set_change_window=2),
    ) as running:
        running.deploy()
        with Load(running, rate=20) as load:
            first = running.nodes[0]
            wait_for(lambda: running.status(first).height > OUT_OF_REACH, "out of reach", first, 120)
            load.end()
        running.wait_for_equal_heads(60)
        yield running


def with_snapshot(nodes: list[NodeProcess], above: int) -> int:
    """Under load, wait until these nodes have a snapshot of a block above this one; the lowest of their newest."""

    def newest(node: NodeProcess) -> int:
        return max((int(path.name.rpartition("-")[2]) for path in snapshots(node)), default=0)

    for node in nodes:
        wait_for(lambda node=node: newest(node) > above, f"a snapshot above {above}", node, 120)
    return min(map(newest, nodes))


def synced(network: RunningNetwork, node: NodeProcess) -> LedgerStatus:
    """Wait until it has begun from a snapshot and gone on from there; under load somebody is always a block ahead."""

    def done() -> bool:
        status = network.status(node)
        return status.height > status.base_height > 0 and status.lag <= FAR_BLOCKS

    wait_for(done, "brought forward by a snapshot", node)
    return network.status(node)


def require_mined(network: RunningNetwork, node: NodeProcess) -> None:
    """A block of its own, above the snapshot that it began from, stands in the chain of another node."""
    status = network.status(node)
    identity = next(member.identity.hex() for member in status.validators if member.self)
    other = next(one for one in network.live if one is not node)

    def mined() -> bool:
        with other.ledger(other.network.admins_of_homes[other.network.homes.index(other.home)]) as ledger:
            height = ledger.facts().height
            blocks = ledger.blocks(status.base_height + 1, to_height=height)
            return identity in {miner_of(block.receipts) for block in blocks}

    wait_for(mined, "a block of its own", node)


def test_a_wiped_miner_comes_back_by_snapshot_and_mines_again(network: RunningNetwork) -> None:
    """It asks for the work behind the block that it begins from; with another one away it is needed for a quorum."""
    wiped, away, *_ = network.nodes
    others = network.nodes[1:]
    wiped.kill()
    wipe(wiped)
    with Load(network, nodes=others[1:], rate=20) as load:
        height = with_snapshot(others, 0)
        wiped.start()
        assert synced(network, wiped).base_height >= height
        require_mined(network, wiped)
        away.kill()
        network.require_progress([one for one in network.nodes if one is not away], 60)
        away.start()
        committed = load.end()
    network.wait_for_equal_heads(60)
    require_same(network, wiped)
    assert "snapshot installed" in wiped.log.read_text()
    assert committed


def test_a_new_miner_begins_by_snapshot_in_an_epoch_that_it_has_not_seen_begin(network: RunningNetwork) -> None:
    """It was given a seat while its disk was empty; the snapshot leads from the founding set to its own."""
    old = list(network.nodes)
    node, chain = network.new_node("north")
    node.kill()
    wipe(node)
    network.nodes.remove(node)
    with network.ledger(nodes=old) as ledger:
        seat = {"certificate": chain, "endpoint": node.endpoint, "override": True}
        network.decide(ledger, "add_validator", seat)
        last = network.end_epoch(ledger)
    with Load(network, nodes=old, rate=20) as load:
        with_snapshot(old, last)
        node.start()
        network.nodes.append(node)
        assert synced(network, node).base_height > last
        require_mined(network, node)
        committed = load.end()
    network.wait_for_equal_heads(60)
    require_same(network, node)
    assert committed
    assert folder(node, "data").exists()
    assert network.status(node).ledger == LEDGER
