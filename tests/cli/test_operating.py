"""Looking after a node: status, log level, snapshot and restore, verify, audit, following events."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from ledgernode.cli.documents import status_document
from ledgernode.cli.node import _parts
from ledgernode.errors import NodeUnreachable
from ledgernode.local.node import LocalNode
from ledgernode.wire.answers import LedgerStatus, NodeStatus, SyncStatus
from ledgernode.wire.protobuf import read_status, status_message
from ledgernode.wire.types import Epoch, Height, TimeMs
from tests.cli.command_line import RunningNetwork, command, done

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """A network of its own, because these tests stop its node."""
    running = RunningNetwork(tmp_path_factory.mktemp("operating") / "network")
    folder = running.directory.parent
    done("chaincode", "new", "notes", "--into", folder)
    running.done("chaincode", "deploy", folder / "notes.py")
    yield running
    running.stop()


def test_status_tells_what_an_operator_looks_at_first(own: RunningNetwork) -> None:
    """Each node of the organisation with its ledgers, heights and validators."""
    (node,) = own.read("node", "status")["nodes"]
    (ledger,) = node["ledgers"]
    assert (node["organisation"], ledger["ledger"], ledger["engine"], ledger["halted"]) == (
        "north",
        "market",
        "solo",
        False,
    )
    assert ledger["height"] == own.read("block", "list")["height"] == ledger["certified_height"]
    assert len(ledger["chain_id"]) == 64
    shown = own.done("node", "status").out
    assert "running" in shown
    assert "this node" in shown


@pytest.mark.parametrize(
    ("sync", "shown"),
    [
        (None, "running"),
        (SyncStatus("blocks", Height(70), idle_ms=100), "syncing by blocks to 70"),
        (SyncStatus("snapshot", Height(900), 3, 12, 400), "syncing by snapshot to 900, 3 of 12 chunks"),
        (SyncStatus("snapshot", Height(900), 3, 12, 61_000), "3 of 12 chunks, nothing came for 61 s"),
    ],
)
def test_status_tells_syncing_from_stuck(sync: SyncStatus | None, shown: str) -> None:
    """How a node that is behind comes forward, how far it is, and since when nothing has come; in both forms."""
    numbers = Height(5), Height(5), TimeMs(0), Epoch(0), 0, 0, 0, 0
    found = LedgerStatus(
        "market", bytes(32), "pbft", *numbers, False, "", (), bytes(32), sync=sync, base_height=Height(4)
    )
    node = NodeStatus("1", "north", TimeMs(0), (found,), "info", 0)
    assert read_status(status_message(node)) == node
    document = status_document(node)
    assert document["ledgers"][0]["sync"] == (None if sync is None else msgspec.to_builtins(sync))
    texts = io.StringIO()
    for part in _parts({"endpoint": "here", **document}):
        Console(file=texts, width=300).print(part)
    assert shown in texts.getvalue()
    assert "began from block 4" in texts.getvalue()


def test_log_level_is_changed_while_it_runs(own: RunningNetwork) -> None:
    """The change holds at once, without a restart."""
    assert own.read("log-level", "warning")["nodes"][0]["log_level"] == "warning"
    assert own.read("log-level")["nodes"][0]["log_level"] == "warning"
    own.done("log-level", "info")


def test_running_nodes_database_is_left_alone(own: RunningNetwork) -> None:
    """Verify beside a running node is refused: one process at a time."""
    ended = command("verify", own.home, "--json")
    assert (ended.code, ended.error["code"]) == (6, "DATABASE_IN_USE")


def test_followed_events_arrive_as_lines(own: RunningNetwork) -> None:
    """`events --follow --json` prints one document a line, as things happen, until it is interrupted."""
    following = subprocess.Popen(
        [sys.executable, "-m", "ledgernode.cli", "events", "--follow", "--json", "--from", "0", "--contract", "notes",
         "--network", str(own.directory)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert following.stdout is not None
        for entry in ("one", "two"):
            own.done("tx", "submit", "notes", "write", json.dumps({"entry": entry, "text": ""}))
            assert json.loads(following.stdout.readline())["payload"]["entry"] == entry
        following.send_signal(signal.SIGINT)
        assert following.wait(10) == 130
    finally:
        following.kill()
        following.communicate()


def test_snapshot_fills_an_empty_node_that_goes_on(own: RunningNetwork, tmp_path: Path) -> None:
    """A restored node has the same commitment, passes every check, and goes on with new blocks."""
    taken = own.done("snapshot", "create", "--json").document
    head = own.read("block", "show", taken["height"])
    newest = own.read("snapshot", "list")["snapshots"][0]
    assert (newest["height"], newest["chunks"]) == (taken["height"], 1)
    assert str(taken["height"]) in own.done("snapshot", "list").out
    home = tmp_path / "restored"
    shutil.copytree(own.home, home, ignore=shutil.ignore_patterns("data", "snapshots"))
    restored = done("snapshot", "restore", taken["path"], home, "--json").document
    assert (restored["height"], restored["state_commitment"]) == (taken["height"], head["state_commitment"])
    assert command("snapshot", "restore", taken["path"], home).code == 6
    assert own.stop() == 0
    node = LocalNode(home)
    try:
        node.wait_until_serving()
        assert own.read("query", "notes", "read", '{"entry": "one"}')["height"] == taken["height"]
        own.done("tx", "submit", "notes", "write", '{"entry": "after", "text": ""}')
    finally:
        assert node.stop() == 0
    checked = done("verify", home, "--json").document
    assert (checked["from_height"], checked["height"]) == (taken["height"], taken["height"] + 1)
    own.start()


def test_backup_of_a_running_node_fills_an_empty_one(own: RunningNetwork, tmp_path: Path) -> None:
    """Made and added to beside the node, checked with the genesis file alone, restored in both ways and at a height."""
    backup, genesis = tmp_path / "backup", own.directory / "genesis.json"
    assert command("backup", "verify", tmp_path, "--genesis", genesis).code == 5
    first = done("backup", "create", own.home, "--to", backup, "--json").document
    assert (first["first"], first["states"]) == (1, [first["last"]])
    own.done("tx", "submit", "notes", "write", '{"entry": "backed up", "text": ""}')
    second = done("backup", "create", own.home, "--to", backup, "--chain-only", "--share", "100", "--json").document
    assert (second["blocks_added"], second["states"]) == (1, first["states"])
    assert str(first["last"]) in done("backup", "list", backup).out
    checked = done("backup", "verify", backup, "--genesis", genesis, "--json").document
    head = own.read("block", "show", second["last"])
    assert (checked["last"], checked["state_commitment"]) == (second["last"], head["state_commitment"])
    assert "the backup holds" in done("backup", "verify", backup, "--genesis", genesis).out
    assert (
        command("backup", "create", own.home, "--to", backup, "--uncertified", "--json").error["code"]
        == "DATABASE_IN_USE"
    )
    elsewhere = own.done(
        "backup", "create", "--to", tmp_path / "elsewhere", "--json"
    ).document  # by the stream of blocks
    assert (elsewhere["last"], elsewhere["states"]) == (second["last"], [])
    assert done("backup", "verify", tmp_path / "elsewhere", "--genesis", genesis, "--json").document == {
        **checked,
        "states": [],
        "seconds": pytest.approx(checked["seconds"], abs=60),
        "size_bytes": elsewhere["size_bytes"],
        "segments": elsewhere["segments"],
    }
    for name, options in {"all": (), "quick": ("--from-state",), "then": ("--height", first["last"])}.items():
        home = tmp_path / name
        shutil.copytree(own.home, home, ignore=shutil.ignore_patterns("data", "snapshots"))
        restored = done("backup", "restore", backup, home, *options, "--json").document
        height = first["last"] if name == "then" else second["last"]
        assert (restored["height"], restored["history_from"]) == (height, first["last"] if name == "quick" else 0)
        assert done("verify", home, "--json").document["height"] == height
    assert command("backup", "restore", backup, own.home, "--json").error["code"] == "DATABASE_IN_USE"
    assert own.stop() == 0
    node = LocalNode(tmp_path / "quick")
    try:
        node.wait_until_serving()
        for height in (2, first["last"], second["last"]):  # blocks below its state are there too
            assert own.read("block", "show", height)["height"] == height
        own.done("tx", "submit", "notes", "write", '{"entry": "after all", "text": ""}')
    finally:
        assert node.stop() == 0
    own.start()


def test_stopped_nodes_chain_is_verified_and_audited(own: RunningNetwork, tmp_path: Path) -> None:
    """A sound chain holds; a copy with one block altered does not, and the block is named."""
    height = own.read("block", "list")["height"]
    assert own.stop() == 0
    checked = done("verify", own.home, "--json").document
    assert (checked["holds"], checked["height"], checked["re_executed"]) == (True, height, True)
    assert "the chain holds" in done("verify", own.home).out
    data, genesis = own.home / "ledgers" / "market" / "data", own.directory / "genesis.json"
    assert done("verify", data, "--genesis", genesis, "--json").document["height"] == height
    assert done("audit", own.home, "--json").document["findings"] == []
    assert "no contract here keeps money" in done("audit", own.home).out
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    _alter_receipt(copy, height)
    ended = command("verify", copy, "--genesis", genesis, "--json")
    assert (ended.code, ended.error["code"]) == (10, "CHAIN_INVALID")
    assert ended.error["facts"]["height"] == height
    own.start()


def _alter_receipt(data: Path, height: int) -> None:
    """As a careless hand or a bad disk would."""
    from ledgernode.store.kv import Table
    from ledgernode.store.lmdb import LmdbStore

    store = LmdbStore(data)
    key = height.to_bytes(8, "big")
    with store.reader() as reader:
        raw = reader.get(Table.RECEIPTS, key)
    assert raw is not None
    succeeded, altered = b"\xa2OK", b"\xa2KO"  # the code of a receipt, as MessagePack has it
    assert succeeded in raw
    store.write([(Table.RECEIPTS, key, raw.replace(succeeded, altered))])
    store.close()


def test_verify_names_what_is_missing(tmp_path: Path) -> None:
    """A home that never ran has no chain; a folder that is none is said to be none."""
    done("network", "init", tmp_path / "n")
    assert command("verify", tmp_path / "n" / "nodes" / "north-1", "--json").error["code"] == "NOT_FOUND"
    assert command("verify", tmp_path, "--json").error["code"] == "REQUEST_INVALID"
    ended = command("verify", tmp_path / "n" / "nodes" / "north-1", "--ledger", "other", "--json")
    assert ended.error["code"] == "REQUEST_INVALID"


def test_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of its log is in the error, and no process stays behind."""
    done("network", "init", tmp_path / "n")
    home = tmp_path / "n" / "nodes" / "north-1"
    (home / "validator" / "key.pem").chmod(0o644)
    node = LocalNode(home)
    with pytest.raises(NodeUnreachable, match="KEY_FILE_UNSAFE"):
        node.wait_until_serving()
    with pytest.raises(NodeUnreachable):
        node.check()
