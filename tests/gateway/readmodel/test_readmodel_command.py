"""`ledgernode readmodel` beside a real node: followed, killed, followed on, built anew."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.readmodel import queries
from gateway.readmodel.database import Database
from ledgernode.client import Ledger
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, SoloNetwork, deploy, notes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(SoloNetwork(tmp_path_factory.mktemp("network"))) as running:
        with running.ledger() as ledger:
            deploy(ledger, running.network)
        yield running


class Reader:
    """`readmodel run` as a process."""

    def __init__(self, node: NodeProcess, database: str) -> None:
        command = [sys.executable, "-m", "ledgernode.cli", "readmodel", "run", database, "--json", *at(node)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        """What it said, until it was told to stop."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=30)
        return [json.loads(line) for line in said.splitlines()]


def at(node: NodeProcess) -> list[str]:
    return ["--network", str(node.network.directory), "--endpoint", node.endpoint]


def status(node: NodeProcess, database: str) -> dict[str, Any]:
    document: dict[str, Any] = done("readmodel", "status", database, "--json", *at(node)).document
    return document


def put(ledger: Ledger, node: NodeProcess, first: int, count: int) -> int:
    """Notes on the ledger; its height then."""
    keys = [f"note-{number}" for number in range(first, first + count)]
    outcomes = ledger.submit_many(notes(node.network.admin.signer, keys))
    return max(int(outcome.height) for outcome in outcomes)


def test_killed_and_followed_on(node: NodeProcess, url: str) -> None:
    """SIGKILL in the middle costs nothing: every transaction stands once, and the next process goes on."""
    with node.ledger() as ledger:
        height = put(ledger, node, 0, 200)
        reader = Reader(node, url)
        until(lambda: status(node, url)["height"] > 0, 45)
        reader.stop(signal.SIGKILL)
        height = put(ledger, node, 200, 200)
        reader = Reader(node, url)
        until(lambda: status(node, url)["height"] >= height, 45)
        said = reader.stop()
    assert said[-1]["state"] == "following"
    assert said[-1]["behind"] == 0
    found = status(node, url)
    assert (found["behind"], found["unread"]) == (0, 0)
    rebuilt = done("readmodel", "rebuild", url, "--yes", "--json", *at(node)).document
    assert rebuilt["height"] >= height


def test_notes_are_found(node: NodeProcess, tmp_path: Path) -> None:
    """What was put stands in the model, by contract and by creator."""
    with node.ledger() as ledger:
        put(ledger, node, 1_000, 20)
    url = str(tmp_path / "model.db")
    done("readmodel", "rebuild", url, "--yes", *at(node))

    async def ask() -> None:
        database = Database(url)
        async with database.reader.connect() as connection:
            page = await queries.ledger.transactions(connection, contract="notebook", function="put", size=20)
            assert len(page.items) == 20
            assert {row.code for row in page.items} == {"OK"}
            creator = await queries.governance.identity(connection, page.items[0].creator)
            assert creator is not None
            assert creator.role == "admin"
        await database.close()

    asyncio.run(ask())


def test_status_before_anything_was_followed(node: NodeProcess, tmp_path: Path) -> None:
    found = status(node, str(tmp_path / "new.db"))
    assert (found["schema"], found["height"]) == ("", -1)
    assert found["behind"] == found["ledger_height"] + 1


def test_gateway_follows_beside_its_intake(node: NodeProcess, tmp_path: Path) -> None:
    """Named in gateway.json, the model grows in the gateway's own process, and ends with it."""
    identity = gateway_identity(node.network, "gateway-9")
    with GatewayProcess(node.network, [node.endpoint], tmp_path / "g", identity, read_model="model.db") as gateway:
        database = str(gateway.directory / "model.db")
        with node.ledger() as ledger:
            height = put(ledger, node, 2_000, 5)
        until(lambda: status(node, database)["height"] >= height, 45)
        assert gateway.terminate() == 0


def test_other_databases_are_refused(node: NodeProcess) -> None:
    ended = command("readmodel", "status", "mysql://host/name", "--json", *at(node))
    assert ended.error["code"] == "REQUEST_INVALID"


def test_schema_is_printed() -> None:
    assert "CREATE TABLE transactions" in done("readmodel", "schema", "--dialect", "sqlite").out
