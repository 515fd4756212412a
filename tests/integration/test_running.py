"""A node as a process: draining, restarting, refusing a second one, back-pressure, killing it under load."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ledgernode.client import Outcome, Stage, Wait
from ledgernode.errors import DatabaseInUse, LedgerError, LedgerHalted, NodeStopping, NodeUnreachable
from tests.running import NodeProcess, SoloNetwork, deploy, notes
from tests.suites.kill_loop import kill_loop

pytestmark = pytest.mark.slow


def test_sigterm_commits_what_was_admitted(tmp_path: Path) -> None:
    """Everything that was acknowledged as admitted is in the chain after a drain and a restart."""
    network = SoloNetwork(tmp_path)
    with NodeProcess(network) as node:
        with node.ledger() as ledger:
            deploy(ledger, network)
            sent = notes(network.admin.signer, [f"k{number}" for number in range(1_000)])
            admitted = list(ledger.submit_many(sent, wait=Wait.ADMITTED))
            assert {outcome.stage for outcome in admitted} == {Stage.ADMITTED}
            assert node.terminate() == 0
        node.start()
        with node.ledger() as ledger:
            counted = ledger.evaluate("notebook", "count", {}, signer=network.admin.signer)
            assert json.loads(counted.result) == 1_000


def test_a_waiting_call_hears_that_the_node_stops(tmp_path: Path) -> None:
    """A stream of blocks and a wait for an outcome end with the reason, not with a broken connection."""
    network = SoloNetwork(tmp_path)
    with NodeProcess(network) as node, node.ledger(timeout_ms=20_000) as ledger:
        ledger._client._connection._retries = 0
        refusals, streaming = list[LedgerError](), threading.Event()

        def wait() -> None:
            try:
                for _ in ledger.blocks(0):
                    streaming.set()
            except LedgerError as error:
                refusals.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert streaming.wait(20)
        node.terminate()
        waiting.join()
        assert [type(error) for error in refusals] == [NodeStopping]
        with pytest.raises(NodeUnreachable):
            ledger.facts()


def test_a_second_process_on_the_same_database_is_refused(node: NodeProcess) -> None:
    """It ends with the code, and the first goes on."""
    second = subprocess.run(
        [sys.executable, "-m", "ledgernode.services.process", str(node.network.home), "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert second.returncode != 0
    assert DatabaseInUse.__name__ in second.stderr
    with node.ledger() as ledger:
        assert ledger.facts().ledger == "test"


def test_an_address_that_is_taken_is_refused(node: NodeProcess, tmp_path: Path) -> None:
    """Two nodes never share a port by accident."""
    other = SoloNetwork(tmp_path)
    second = subprocess.run(
        [sys.executable, "-m", "ledgernode.services.process", str(other.home), node.endpoint],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert second.returncode != 0
    assert "cannot listen" in second.stderr


def test_a_full_disk_halts_loudly_and_loses_nothing(tmp_path: Path) -> None:
    """Nothing is acknowledged that is not durable; status says why; with room again it goes on."""
    network = SoloNetwork(tmp_path)
    with NodeProcess(network) as node:
        with node.ledger() as ledger:
            deploy(ledger, network)
        node.limit_files((network.data / "data.mdb").stat().st_size + 300_000)
        committed = fill(node)
        with node.operator() as operator:
            (status,) = operator.status().ledgers
        assert status.halted
        assert "DISK_FULL" in status.halt_reason
        assert status.height == status.certified_height
        with node.ledger() as ledger:
            ledger._client._connection._retries = 0
            with pytest.raises(LedgerHalted, match="DISK_FULL"):
                ledger.submit_signed(notes(network.admin.signer, ["more"])[0])
            assert ledger.facts().height == status.height
        node.terminate()
        node.start()
        with node.ledger() as ledger:
            assert all(ledger.status_of(outcome.transaction_id) == outcome for outcome in committed[-20:])
            assert ledger.submit_signed(notes(network.admin.signer, ["more"])[0]).height > status.height


def fill(node: NodeProcess) -> list[Outcome]:
    """Stream notes until the node refuses to go on; what it acknowledged."""
    committed: list[Outcome] = []
    endless = (signed for number in range(100_000) for signed in notes(node.network.admin.signer, [f"n{number}"]))
    with node.ledger() as ledger:
        ledger._client._connection._retries = 2  # it stays halted however often it is asked
        with pytest.raises(LedgerHalted, match="DISK_FULL"):
            committed.extend(ledger.submit_many(endless))
    return committed


def test_acknowledged_transactions_survive_sigkill_under_load(tmp_path: Path) -> None:
    """Killed five times: nothing acknowledged is lost, no height is half, the chain verifies."""
    report = kill_loop(tmp_path, rounds=5, seconds=0.15)
    assert report.acknowledged > 500
    assert report.rounds == 5
