"""Faults planted in a gateway's directory, and what the doctor says of each."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from gateway.doctor import Who, look_over
from gateway.outbox.store import OutboxStore, Refused, Writes
from ledgernode.doctor.finding import Finding, Severity
from tests.gateway.outbox_at_work import entry
from tests.running import SoloNetwork, now_ms

DAY_MS = 86_400_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a gateway that keeps two transactions, and remembers one that was refused."""
    store = OutboxStore(tmp_path / "outbox", entry_bytes=1 << 20, refused_kept=10)
    fresh = [entry(number)._replace(taken_ms=now_ms()) for number in (1, 2)]
    store.write(Writes(fresh, refused=[Refused(now_ms(), "ROLE_REFUSED", entry(3))]))
    store.close()
    configure(tmp_path)
    return tmp_path


def configure(directory: Path, **settings: object) -> None:
    settings = {"limits": {"outbox_bytes": 1 << 20}, **settings}
    (directory / "gateway.json").write_bytes(msgspec.json.encode(settings))


def said(directory: Path, **facts: object) -> list[Finding]:
    given = {"who": None, "nodes": (), "now_ms": now_ms, **facts}
    return look_over(directory, **given)  # type: ignore[arg-type]


def of(found: list[Finding], *severities: Severity) -> list[str]:
    return [f"{one.check}: {one.what}" for one in found if one.severity in severities]


BAD = (Severity.WARNING, Severity.ERROR)


def test_a_directory_without_a_fault(directory: Path) -> None:
    """What it keeps, and what was refused, is said."""
    found = said(directory)
    assert of(found, *BAD) == []
    assert any("2 transactions wait" in line for line in of(found, Severity.OK))
    assert any("1 transactions were refused" in line for line in of(found, Severity.NOTE))


def test_settings_that_do_not_hold(directory: Path) -> None:
    """Nothing else is looked at: nobody knows what was meant."""
    (directory / "gateway.json").write_text('{"limit": {}}')
    [only] = of(said(directory), Severity.ERROR)
    assert "settings" in only


def test_a_password_that_others_can_read(directory: Path) -> None:
    """As the gateway itself would refuse it."""
    configure(directory, broker={"address": "broker:8883", "username": "g", "password_file": "word"})
    (directory / "word").write_text("secret")
    (directory / "word").chmod(0o640)
    [only] = of(said(directory), Severity.ERROR)
    assert "word" in only
    assert "0640" in only


def test_an_outbox_larger_than_the_disk(directory: Path) -> None:
    """The ledger away for long would fill the disk first."""
    configure(directory, limits={"outbox_bytes": 1 << 50})
    assert [line for line in of(said(directory), Severity.WARNING) if "the outbox may grow" in line]


def test_an_outbox_that_is_damaged(directory: Path) -> None:
    """What devices were told is safe is not."""
    (directory / "outbox" / "data.mdb").write_bytes(b"x" * 8_192)
    [only] = of(said(directory), Severity.ERROR)
    assert "the outbox does not hold" in only


def test_what_waits_for_days(directory: Path) -> None:
    """Something is wrong with its device, or with the ledger."""
    found = said(directory, now_ms=lambda: now_ms() + 3 * DAY_MS)
    assert [line for line in of(found, Severity.WARNING) if "came 3 days ago" in line]


def test_nodes_that_do_not_answer(directory: Path) -> None:
    """One of two is a warning, all of them an error."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        up, down = f"127.0.0.1:{there.getsockname()[1]}", "127.0.0.1:1"
        assert len(of(said(directory, nodes=(up, down)), *BAD)) == 1
        assert not of(said(directory, nodes=(up,)), *BAD)
    assert of(said(directory, nodes=(down,)), Severity.ERROR)


def test_who_it_is(directory: Path, tmp_path: Path) -> None:
    """Both keys of its identity, and how long their certificates hold."""
    who = Who(SoloNetwork(tmp_path / "network").admin.directory)
    assert of(said(directory, who=who), *BAD) == []
    (who.directory / "tls-key.pem").chmod(0o604)
    assert len(of(said(directory, who=who), Severity.ERROR)) == 1
