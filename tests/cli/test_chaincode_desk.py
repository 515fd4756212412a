"""A contract author's commands that need no network: new, check, package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ledgernode.cli.outline import outline
from tests.cli.command_line import command, done

RUNAWAY = """from chaincode.api import Context, Contract, transaction
import time


class Late(Contract):
    name = "late"
    version = "1.0.0"

    @transaction
    def act(self, ctx: Context) -> int:
        return time.time()
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    done("chaincode", "new", "notes", "--into", tmp_path)
    return tmp_path / "notes.py"


def test_new_contract_passes_the_check(written: Path) -> None:
    """What `new` writes is a contract the ledger accepts."""
    assert done("chaincode", "check", written).out == "notes 1.0.0: no findings\n"


@pytest.mark.slow
def test_new_contract_passes_its_own_test(written: Path) -> None:
    """The test beside it runs as it stands, and tests something."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_notes.py"],
        cwd=written.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout


def test_new_overwrites_nothing(written: Path) -> None:
    """A second `new` of the same name leaves the author's work alone."""
    written.write_text("mine")
    ended = command("chaincode", "new", "notes", "--into", written.parent)
    assert (ended.code, written.read_text()) == (6, "mine")


@pytest.mark.parametrize("name", ["Notes", "1st", "a-b", "", "x" * 60])
def test_name_must_be_a_contracts(name: str, tmp_path: Path) -> None:
    """A name that no package could have is refused, and nothing is written."""
    assert command("chaincode", "new", name, "--into", tmp_path / "new").code == 2
    assert not (tmp_path / "new").exists()


def test_check_names_file_line_and_reason(tmp_path: Path) -> None:
    """Each finding says where and why; the exit code says that there are some."""
    file = tmp_path / "late.py"
    file.write_text(RUNAWAY)
    ended = command("chaincode", "check", file)
    assert ended.code == 2
    assert f"{file}:2" in ended.out
    assert ended.err.startswith("error CHAINCODE_REFUSED")
    found = command("chaincode", "check", file, "--json")
    assert {"file", "line", "rule", "reason"} == set(found.document["findings"][0])
    assert found.document["findings"][0]["line"] == 2
    assert found.error["code"] == "CHAINCODE_REFUSED"


def test_refused_contract_is_not_packaged(tmp_path: Path) -> None:
    """No package file appears of a contract with findings."""
    file = tmp_path / "late.py"
    file.write_text(RUNAWAY)
    assert command("chaincode", "package", file, "-o", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


def test_package_is_the_same_each_time(written: Path, tmp_path: Path) -> None:
    """Two people who package the same sources get the same hash."""
    first = done("chaincode", "package", written, "-o", tmp_path / "a", "--json").document
    second = done("chaincode", "package", written, "-o", tmp_path / "b", "--json").document
    assert first["hash"] == second["hash"]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (first["name"], first["version"]) == ("notes", "1.0.0")


def test_outline_reads_calls_without_running_them() -> None:
    """Functions, roles, types and defaults come from the text; code beside them is never executed."""
    source = '''
raise SystemExit("never run")
class Shop(Contract):
    @transaction(roles=("admin", "operator"))
    def sell(self, ctx, item: str, count: int = 1) -> Receipt:
        """Sell it.

        More."""
    @query
    def left(self, ctx) -> dict[str, int]: ...
    def helper(self) -> None: ...
'''
    sell, left = outline(source)
    assert sell["call"] == "sell(item: str, count: int = 1) -> Receipt"
    assert (sell["kind"], sell["roles"], sell["doc"]) == ("transaction", ["admin", "operator"], "Sell it.")
    assert (left["call"], left["roles"]) == ("left() -> dict[str, int]", [])
