"""Nodes that are new, wiped or far behind, among four validators as processes: brought forward by a peer's snapshot.

The state is a few chunks large, snapshots are made every so many blocks, and "far" is less than that.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgernode.errors import LedgerError, Pruned
from ledgernode.store.failpoint import VARIABLE
from ledgernode.store.snapshot import MANIFEST_FILE
from ledgernode.wire.answers import LedgerStatus
from tests.networks import Load, RunningNetwork, headers
from tests.running import LEDGER, NodeProcess, notes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVERY_BLOCKS = 100
FAR_BLOCKS = 40
SYNC_SECONDS = 60.0
LARGE_NOTES = 70
LARGE_TEXT = "x" * 240_000
"""Of them the state becomes a handful of chunks."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Every test leaves all of its nodes running."""
    config = {"snapshot_every_blocks": EVERY_BLOCKS, "sync_behind_blocks": FAR_BLOCKS}
    with RunningNetwork(tmp_path_factory.mktemp("sync") / "network", "pbft", 4, config=config) as running:
        running.deploy()
        with running.ledger() as ledger:
            large = notes(
                running.founded.admin.signer,
                [f"large-{number}" for number in range(LARGE_NOTES)],
                text=LARGE_TEXT,
                budget=500_000,
            )
            assert all(ledger.submit_signed(one).succeeded for one in large)
        yield running


def folder(node: NodeProcess, name: str) -> Path:
    return node.home / "ledgers" / LEDGER / name


def wipe(node: NodeProcess) -> None:
    """A new disk: keys and genesis are there, nothing else is."""
    for name in ("data", "incoming", "snapshots"):
        shutil.rmtree(folder(node, name), ignore_errors=True)
    node.log.write_text("")


def go_on(network: RunningNetwork, blocks: int, nodes: list[NodeProcess]) -> int:
    """Commit notes one after another at these nodes until there are so many more blocks; the height."""
    with network.ledger(nodes=nodes) as ledger:
        until = ledger.facts().height + blocks
        height = 0
        while height < until:
            height = ledger.submit_signed(notes(network.founded.admin.signer, [f"on-{time.monotonic_ns()}"])[0]).height
    return height


def wait_for(condition: Callable[[], bool], what: str, node: NodeProcess, limit_s: float = SYNC_SECONDS) -> None:
    ends = time.monotonic() + limit_s
    while time.monotonic() < ends:
        try:
            if condition():
                return
        except LedgerError:
            pass  # it is being opened again, or has not started yet
        time.sleep(0.1)
    raise AssertionError(f"after {limit_s} s not yet: {what}; {node.home.name} says:\n{node.log.read_text()[-3_000:]}")


def snapshots(node: NodeProcess) -> list[Path]:
    """The whole ones that it made by itself, oldest first."""
    found = [path.parent for path in folder(node, "snapshots").glob(f"*/{MANIFEST_FILE}")]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def with_snapshots(network: RunningNetwork, nodes: list[NodeProcess]) -> int:
    """Go on until these nodes have the same newest snapshot, the next one is far away, and stop; its height."""
    head = network.wait_for_equal_heads() if len(nodes) == len(network.nodes) else network.status(nodes[0]).height
    height = go_on(network, EVERY_BLOCKS - head % EVERY_BLOCKS + FAR_BLOCKS + 5, nodes) // EVERY_BLOCKS * EVERY_BLOCKS
    for node in nodes:
        wait_for(
            lambda node=node: snapshots(node)[-1:] == [folder(node, "snapshots") / f"{LEDGER}-{height}"],
            f"the snapshot of block {height}",
            node,
        )
    return height


def synced(network: RunningNetwork, node: NodeProcess, base: int = 1) -> LedgerStatus:
    """Wait until it has begun from a snapshot at least this high, and is behind no more; its status."""

    def done() -> bool:
        status = network.status(node)
        return status.base_height >= base and status.lag == 0 and status.height > status.base_height

    wait_for(done, "brought forward by a snapshot", node)
    return network.status(node)


def require_same(network: RunningNetwork, node: NodeProcess) -> None:
    """From the snapshot on, headers and state commitments are those of the others; before it, PRUNED."""
    base = network.status(node).base_height
    height = network.wait_for_equal_heads(SYNC_SECONDS)
    other = next(one for one in network.nodes if one is not node and network.status(one).base_height < base)
    assert headers(node, height, first=base) == headers(other, height, first=base)
    with pytest.raises(Pruned):
        headers(node, height, first=base - 1)


def test_every_node_keeps_the_newest_snapshots_and_lists_them(network: RunningNetwork) -> None:
    """At the same heights everywhere, byte for byte but for who signed; older ones are thrown away."""
    for _ in range(3):
        height = with_snapshots(network, network.nodes)
    for node in network.nodes:
        assert [path.name for path in snapshots(node)] == [
            f"{LEDGER}-{kept}" for kept in (height - EVERY_BLOCKS, height)
        ]
    chunks = [{path.name: path.read_bytes() for path in snapshots(node)[-1].glob("chunk-*")} for node in network.nodes]
    assert len(chunks[0]) >= 4
    assert all(other == chunks[0] for other in chunks[1:])
    with network.nodes[0].operator() as operator:
        newest, older = operator.snapshots(LEDGER)
    assert (newest.height, older.height) == (height, height - EVERY_BLOCKS)
    assert newest.chunks == len(chunks[0])
    assert newest.size_bytes == sum(map(len, chunks[0].values()))


def test_a_wiped_validator_comes_back_by_snapshot_while_load_goes_on(network: RunningNetwork) -> None:
    """It has the others' chain from there, and votes again: with one of them away, only its votes make a quorum."""
    wiped, away, *_ = network.nodes
    others = network.nodes[1:]
    wiped.kill()
    wipe(wiped)
    height = with_snapshots(network, others)
    with Load(network, nodes=others, rate=60) as load:
        wiped.start()
        synced(network, wiped, height)
        away.kill()
        try:
            with network.ledger(nodes=others[1:], timeout_ms=60_000) as ledger:
                assert ledger.submit_signed(notes(network.founded.admin.signer, ["a-quorum-of-three"])[0]).succeeded
        finally:
            away.start()
        committed = load.end()
    require_same(network, wiped)
    assert len(committed) > 100
    assert "snapshot installed" in wiped.log.read_text()


def test_a_new_observer_joins_by_snapshot(network: RunningNetwork) -> None:
    """Nobody dials it: it asks. It answers reads and hands its clients' transactions on."""
    height = with_snapshots(network, network.nodes)
    observer, _ = network.new_node("north")
    try:
        assert synced(network, observer, height).base_height == height
        require_same(network, observer)
        with observer.ledger() as ledger:
            assert ledger.submit_signed(notes(network.founded.admin.signer, ["by-an-observer"])[0]).succeeded
    finally:
        observer.kill()
        network.nodes.remove(observer)


def test_a_node_killed_while_it_takes_a_snapshot_goes_on_where_it_was(
    network: RunningNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was checked is on disk: only the rest is fetched."""
    killed, *others = network.nodes
    killed.kill()
    wipe(killed)
    with_snapshots(network, others)
    monkeypatch.setenv(VARIABLE, "restore.before_chunk:3")
    killed.start()
    killed.process.wait(SYNC_SECONDS)
    killed.kill()
    assert folder(killed, "incoming").exists()
    monkeypatch.delenv(VARIABLE)
    killed.start()
    synced(network, killed)
    log = killed.log.read_text()
    goes_on = re.search(r"state sync goes on .*chunks_done=(\d+) chunks_total=(\d+)", log)
    assert goes_on is not None, log
    done, total = map(int, goes_on.groups())
    assert done == 2 < total
    assert f"fetched={total - done} " in log
    assert not folder(killed, "incoming").exists()
    require_same(network, killed)


def test_a_node_killed_before_the_snapshot_is_in_its_place_puts_it_there_when_it_starts(
    network: RunningNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old chain is whole until the new one is; `tests/store/test_incoming.py` has the other points."""
    killed, *others = network.nodes
    killed.kill()
    wipe(killed)
    with_snapshots(network, others)
    monkeypatch.setenv(VARIABLE, "install.before_rename")
    killed.start()
    killed.process.wait(SYNC_SECONDS)
    killed.kill()
    monkeypatch.delenv(VARIABLE)
    killed.start()
    synced(network, killed)
    require_same(network, killed)


def test_a_peer_whose_snapshot_is_altered_is_left_for_the_next(network: RunningNetwork) -> None:
    """The log says who it was; what it gave is nowhere in the state."""
    wiped, liar, *_ = network.nodes
    others = network.nodes[1:]
    wiped.kill()
    wipe(wiped)
    with_snapshots(network, others)
    for snapshot in snapshots(liar):
        for chunk in snapshot.glob("chunk-*"):
            chunk.write_bytes(chunk.read_bytes().replace(b"x" * 100, b"y" * 100, 1))
    wiped.start()
    synced(network, wiped)
    log = wiped.log.read_text()
    assert re.search(rf"does not hold\s.*peer={liar.endpoint}", log), log
    assert log.count("does not hold") == 1
    require_same(network, wiped)
    shutil.rmtree(folder(liar, "snapshots"))


def test_a_node_that_slept_is_brought_forward_without_a_restart(network: RunningNetwork) -> None:
    """The ledger is closed, the snapshot put in its place, and the ledger opened again, in the same process."""
    asleep, *others = network.nodes
    process = asleep.process.pid
    asleep.freeze()
    try:
        go_on(network, 600, others)  # more than what its peers keep for it
        height = with_snapshots(network, others)
    finally:
        asleep.thaw()
    assert synced(network, asleep, height).base_height == height
    assert (asleep.running, asleep.process.pid) == (True, process)
    require_same(network, asleep)
    network.require_progress([asleep])


@pytest.mark.parametrize(("every", "far"), [(0, FAR_BLOCKS), (EVERY_BLOCKS, 0)], ids=["nobody has one", "not wanted"])
def test_without_a_snapshot_blocks_do(tmp_path: Path, every: int, far: int) -> None:
    """However many: a wiped validator has every block since genesis again."""
    config = {"snapshot_every_blocks": every, "sync_behind_blocks": far}
    with RunningNetwork(tmp_path / "network", "pbft", 4, config=config) as network:
        network.deploy()
        wiped, *others = network.nodes
        wiped.kill()
        wipe(wiped)
        height = go_on(network, 2 * EVERY_BLOCKS, others)
        wiped.start()
        wait_for(lambda: network.status(wiped).height >= height, "every block fetched", wiped)
        network.wait_for_equal_heads()
        assert network.status(wiped).base_height == 0
        assert headers(wiped, height) == headers(others[0], height)
