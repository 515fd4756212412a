"""Networks whose links lose, delay and part: each disturbance ends within 20 seconds of its end.

As in the other tests of networks that is: every node has the same headers, everything acknowledged is in them, and
new work is committed. Every node is in a network namespace of its own; the links between them are a switch of these
tests (`tests.switched`), because not every kernel has netem.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ledgernode.client import Outcome
from ledgernode.errors import CommitUnknown, HeightNotReached
from tests.namespaces import missing
from tests.networks import RECOVERY_SECONDS, Load
from tests.running import NodeProcess, notes
from tests.switched import SwitchedNetwork

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTED_SECONDS = 2.0


def _switched(tmp_path_factory: pytest.TempPathFactory, engine: str, **founding: object) -> Iterator[SwitchedNetwork]:
    reason = missing()
    if reason:
        pytest.skip(f"this machine gives no network namespaces: {reason}")
    with SwitchedNetwork(tmp_path_factory.mktemp(engine) / "network", engine, 4, **founding) as running:
        running.deploy()
        yield running


@pytest.fixture(scope="module")
def pbft_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchedNetwork]:
    yield from _switched(tmp_path_factory, "pbft")


@pytest.fixture
def pbft(pbft_running: SwitchedNetwork) -> Iterator[SwitchedNetwork]:
    yield pbft_running
    pbft_running.restore()


def recover(network: SwitchedNetwork, acknowledged: list[Outcome]) -> None:
    """All is well again within the limit, counted from now."""
    begun = time.monotonic()
    network.require_progress()
    network.settle(acknowledged, RECOVERY_SECONDS - (time.monotonic() - begun))


def submit_in_vain(network: SwitchedNetwork, node: NodeProcess) -> None:
    """Nobody is told that it is committed."""
    with network.ledger(nodes=[node], timeout_ms=2_000) as ledger, pytest.raises(CommitUnknown):
        ledger.submit_signed(notes(network.founded.admin.signer, [f"in-vain-{time.monotonic_ns()}"])[0])


def test_lost_and_late_packets_slow_a_network_down_and_stop_nothing(pbft: SwitchedNetwork) -> None:
    """Five percent lost, ten to forty milliseconds late, out of order, under load: it goes on all the time."""
    lost = pbft.switch.lost
    with Load(pbft, rate=100) as load:
        pbft.switch.loss, pbft.switch.delay_ms = 0.05, (10, 40)
        for _ in range(4):
            pbft.require_progress()
            time.sleep(1)
        pbft.switch.heal()
        committed = load.end()
    recover(pbft, committed)
    assert pbft.switch.lost > lost


def test_validators_half_a_second_apart_find_each_other(pbft: SwitchedNetwork) -> None:
    """All start with links whose every round trip takes 600 ms: slow, and not too slow to connect."""
    pbft.kill_all()
    pbft.switch.delay_ms = (300, 310)
    pbft.restart(pbft.nodes)
    assert pbft.require_progress() < RECOVERY_SECONDS
    pbft.switch.heal()
    recover(pbft, [])


def test_two_halves_stand_still_and_go_on_as_one(pbft: SwitchedNetwork) -> None:
    """Neither half has a quorum: nothing is committed, linearizable reads are refused, local ones are answered."""
    north, south, east, west = pbft.nodes
    with Load(pbft) as load:
        pbft.switch.part([1, 2], [3, 4])
        submit_in_vain(pbft, north)
        submit_in_vain(pbft, west)
        signer = pbft.founded.admin.signer
        heights = [pbft.status(node).certified_height for node in pbft.nodes]
        for node in (south, east):
            with pbft.ledger(nodes=[node], timeout_ms=4_000) as ledger:
                assert ledger.evaluate("notebook", "get", {"key": "none"}, signer=signer).result == b"null"
                with pytest.raises(HeightNotReached):
                    ledger.evaluate("notebook", "get", {"key": "none"}, signer=signer, level="linearizable")
        time.sleep(PARTED_SECONDS)
        assert [pbft.status(node).certified_height for node in pbft.nodes] == heights
        pbft.switch.heal()
        begun = time.monotonic()
        pbft.require_progress()
        committed = load.end()
    pbft.settle(committed, RECOVERY_SECONDS - (time.monotonic() - begun))


def test_a_leader_that_is_cut_off_is_replaced_and_comes_back(pbft: SwitchedNetwork) -> None:
    """The others go on; it acknowledges nothing, and takes up their chain when it is back."""
    leader = pbft.leader()
    others = pbft.without(leader)
    with Load(pbft, nodes=others) as load:
        pbft.switch.part([pbft.number(leader)], [pbft.number(node) for node in others])
        pbft.require_progress(others)
        submit_in_vain(pbft, leader)
        pbft.switch.heal()
        committed = load.end()
    recover(pbft, committed)


def test_a_leader_that_hears_and_is_not_heard_is_replaced(pbft: SwitchedNetwork) -> None:
    """A link may work in one direction only."""
    leader = pbft.leader()
    others = pbft.without(leader)
    with Load(pbft, nodes=others) as load:
        pbft.switch.silence(pbft.number(leader))
        pbft.require_progress(others)
        pbft.switch.heal()
        committed = load.end()
    recover(pbft, committed)


def test_miners_parted_for_less_than_their_depth_agree_on_one_chain(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both halves mine on; the heavier branch stays, what is acknowledged is deep enough to stay, nobody halts."""
    options = {"first_target_bits": 15, "interval_ms": 150, "depth_blocks": 16}
    for network in _switched(tmp_path_factory, "pow", options=options):
        with Load(network, rate=50) as load:
            network.switch.part([1, 2], [3, 4])
            time.sleep(1.5)
            branches = [network.status(node).branch_height for node in network.nodes]
            network.switch.heal()
            network.require_progress()
            committed = load.end()
        network.settle(committed)
        assert all(height > 0 for height in branches)
        assert not any(network.status(node).halted for node in network.nodes)
