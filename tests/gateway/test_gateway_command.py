"""`ledgernode gateway`, by the steps of docs/gateway.md."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.inbox import Facts, Inbox
from gateway.limits import Limits
from gateway.outbox.store import OutboxStore, Refused, Writes
from ledgernode.local.node import LocalNode
from tests.cli.command_line import command, done
from tests.gateway.outbox_at_work import entry
from tests.gateway.test_inbox import A, B, Ledger
from tests.ports import fresh_port

pytestmark = pytest.mark.slow


def test_a_gateway_is_founded_run_and_looked_at(tmp_path: Path) -> None:
    """Its own keys, certified by its organisation; no roots.pem needed where nobody has joined since."""
    network, identity, kept = tmp_path / "network", tmp_path / "gateway-1", tmp_path / "gateway"
    done("network", "init", network, "--base-port", fresh_port())
    node = LocalNode(network / "nodes" / "north-1")
    try:
        node.wait_until_serving()
        done("identity", "new", identity, "--organisation", "north", "--role", "gateway")
        org = network / "organisations" / "north"
        certificates = [tmp_path / "certificate.pem", tmp_path / "tls-certificate.pem"]
        done("identity", "sign", identity / "request.pem", "--org", org, "-o", certificates[0])
        tls = ["--org", org, "--tls-name", "localhost", "-o", certificates[1]]
        done("identity", "sign", identity / "tls-request.pem", *tls)
        done("identity", "accept", identity, *certificates)
        arguments = ["gateway", "run", kept, "--identity", identity, "--listen", "localhost:0", "--network", network]
        process = subprocess.Popen(
            [sys.executable, "-m", "ledgernode.cli", *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert "serving devices for ledger market on localhost:" in process.stdout.readline()
        assert command("gateway", "refused", kept, "--json").error["code"] == "DATABASE_IN_USE"
        looked = done("doctor", kept, "--identity", identity, "--network", network, "--json").document
        said = [f"{found['check']}: {found['what']}" for found in looked["findings"] if found["severity"] == "ok"]
        assert "peers: 1 of 1 nodes answer" in said
        assert any(one.startswith("clock: this clock agrees with 1 of 1") for one in said)
        assert any(one.startswith("version: 1 nodes run ledgernode") for one in said)
        assert any("0 transactions wait in the outbox, 0 % of its room; a gateway has it open" in one for one in said)
        assert looked["worst"] == "note"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stdout.close()
    finally:
        node.stop()
    assert done("gateway", "refused", kept, "--json").document == {"refused": [], "repeats": 0}


def test_what_was_refused_is_listed_with_its_code(tmp_path: Path) -> None:
    store = OutboxStore(tmp_path / "outbox", entry_bytes=Limits().outbox_bytes, refused_kept=9)
    store.write(Writes(refused=[Refused(1_763_742_000_000, "metering.IN_FUTURE", entry(4))]))
    store.close()
    (found,) = done("gateway", "refused", tmp_path, "--json").document["refused"]
    assert (found["code"], found["sequence"], found["device"]) == ("metering.IN_FUTURE", 4, entry(4).creator.hex())
    assert "metering.IN_FUTURE" in done("gateway", "refused", tmp_path).out


def test_commands_are_listed_with_how_far_they_are(tmp_path: Path) -> None:
    inbox, ledger = Inbox(Limits()), Ledger()
    facts: Facts = {}
    for event in (ledger.command(1, A), ledger.command(2, B), ledger.event("DeliveryAcknowledged", command=1)):
        facts |= inbox.event(event)
    store = OutboxStore(tmp_path / "outbox", entry_bytes=Limits().outbox_bytes, refused_kept=9)
    store.write(Writes(facts=facts))
    store.close()
    found = done("gateway", "commands", tmp_path, "--json").document["commands"]
    assert [(one["number"], one["status"]) for one in found] == [(1, "acknowledged"), (2, "pending")]
    assert "New Transaction #2" in done("gateway", "commands", tmp_path).out


def test_a_setting_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway.json").write_text(json.dumps({"limits": {"streems": 1}}))
    ended = command("gateway", "refused", tmp_path, "--json")
    assert (ended.code, ended.error["code"]) == (2, "REQUEST_INVALID")
