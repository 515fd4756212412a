"""Faults planted in the home of a real node, and what the doctor says of each."""

from __future__ import annotations

import asyncio
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from ledgernode.client import Wait
from ledgernode.doctor import node_facts
from ledgernode.doctor.finding import Finding, Severity, worst
from ledgernode.doctor.node_facts import look_over
from ledgernode.identity.home import NodeConfig, data_directory, genesis_path, tls_directory, validator_directory
from ledgernode.store.kv import Table
from ledgernode.store.lmdb import LmdbStore
from ledgernode.store.past import height_key
from tests.node.conftest import House
from tests.running import now_ms
from tests.services.four import LEDGER, Four

YEAR_MS = 365 * 86_400_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a node that has made two blocks, and was stopped."""
    house = House(tmp_path_factory.mktemp("made"))

    async def work() -> None:
        served = house.open()
        served.start()
        for text in ("a", "b"):
            await served.submissions.submit(house.remark(text).envelope, Wait.COMMITTED, 20)
        await served.stop()
        house.close()

    asyncio.run(work())
    return house.network.home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy to plant faults in."""
    return shutil.copytree(made, tmp_path / "home")


def said(home: Path, clock: Callable[[], int] = now_ms) -> list[Finding]:
    return look_over(home, clock)


def errors(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.what) for one in found if one.severity is Severity.ERROR]


def bad(home: Path, clock: Callable[[], int] = now_ms) -> tuple[str, str]:
    """The one error there is, which says what to do."""
    found = [one for one in said(home, clock) if one.severity is Severity.ERROR]
    assert len(found) == 1, found
    assert found[0].means
    assert found[0].advice
    return found[0].check, found[0].what


def test_a_home_without_a_fault_has_no_error(home: Path) -> None:
    """Everything that is looked at is named."""
    found = said(home)
    assert errors(found) == []
    assert {one.check for one in found} == {
        "version", "settings", "files", "certificate", "database", "disk", "peers", "clock"
    }  # fmt: skip
    assert any("height 2, certified to 2" in one.what for one in found)


@pytest.mark.parametrize("folder", [validator_directory, tls_directory])
def test_a_key_that_others_can_read(home: Path, folder: Callable[[Path], Path]) -> None:
    """It may have been copied."""
    (folder(home) / "key.pem").chmod(0o644)
    check, what = bad(home)
    assert check == "files"
    assert "0644" in what


def test_a_folder_that_others_can_enter(home: Path) -> None:
    """No error, for the key inside is closed; a warning all the same."""
    tls_directory(home).chmod(0o755)
    assert [one.check for one in said(home) if one.severity is Severity.WARNING] == ["files"]


def test_certificates_that_end_soon_and_have_ended(home: Path) -> None:
    """All that end are named, with weeks to go or days too late."""
    ends = min(ends_ms for _, ends_ms in node_facts_ends(home))
    soon = [one for one in said(home, lambda: ends - 20 * 86_400_000) if one.check == "certificate"]
    assert worst(soon) is Severity.WARNING
    late = [one for one in said(home, lambda: ends + 86_400_000) if one.check == "certificate"]
    assert any("ended 1 days ago" in one.what for one in late if one.severity is Severity.ERROR)


def node_facts_ends(home: Path) -> list[tuple[str, int]]:
    from ledgernode.identity.endings import certificate_ends

    return certificate_ends(home)


def test_a_certificate_of_another_key(home: Path) -> None:
    """Every handshake with it would fail."""
    shutil.copy(tls_directory(home) / "certificate.pem", validator_directory(home) / "certificate.pem")
    assert bad(home)[0] == "certificate"


def test_a_certificate_that_is_gone(home: Path) -> None:
    """It cannot be shown to anybody."""
    (tls_directory(home) / "certificate.pem").unlink()
    assert "TLS certificate cannot be read" in errors(said(home))[0][1]


def test_a_genesis_that_is_gone(home: Path) -> None:
    """The node would not start."""
    genesis_path(home, LEDGER).unlink()
    check, what = bad(home)
    assert check == "database"
    assert "genesis" in what


def test_a_database_that_is_cut_short(home: Path) -> None:
    """Found before it is mapped."""
    data = data_directory(home, LEDGER) / "data.mdb"
    with data.open("r+b") as file:
        file.truncate(6_000)
    check, what = bad(home)
    assert check == "database"
    assert "cut short" in what


@pytest.mark.parametrize("table", [Table.HEADERS, Table.CERTIFICATES, Table.RECEIPTS])
def test_a_block_that_was_changed(home: Path, table: Table) -> None:
    """LMDB's pages are whole, and what they say is not."""
    store = LmdbStore(data_directory(home, LEDGER))
    with store.reader() as reader:
        others = reader.get(table, height_key(1))
    assert others is not None
    store.write([(table, height_key(2), others if table is not Table.RECEIPTS else b"\x90")])
    store.close()
    assert bad(home)[0] == "database"


def test_a_disk_that_is_nearly_full(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose disk is full halts."""
    usage = namedtuple("usage", "total used free")  # as the standard library's
    monkeypatch.setattr(node_facts.shutil, "disk_usage", lambda _: usage(1 << 40, 0, 1 << 30))
    assert bad(home)[0] == "disk"


def test_a_clock_that_is_an_hour_behind(home: Path) -> None:
    """The last block is of a later time."""
    check, what = bad(home, lambda: now_ms() - 3_600_000)
    assert check == "clock"
    assert "behind the last block" in what


def test_a_node_that_serves_nothing_yet(home: Path) -> None:
    """A note, and what to do."""
    NodeConfig("north", "validator", "127.0.0.1:0", ()).write(home)
    found = said(home)
    assert errors(found) == []
    assert any("serves no ledger yet" in one.what for one in found)


async def test_validators_that_do_not_answer(tmp_path: Path) -> None:
    """Each is named; that too few are left is the error."""
    four = Four(tmp_path / "network")
    home = four.home("north")
    await four.close()
    found = await asyncio.to_thread(look_over, home, now_ms)
    assert [one.check for one in found if one.severity is Severity.WARNING and one.check == "peers"] == ["peers"] * 3
    assert ("peers", "0 of 3 other validators of test answer") in errors(found)
