"""`ledgernode doctor`: what it prints, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode.identity.home import tls_directory
from tests.cli.command_line import command
from tests.running import SoloNetwork


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return SoloNetwork(tmp_path / "network").home


def test_a_home_without_a_fault_ends_well(home: Path) -> None:
    """One document; no error among its findings."""
    ended = command("doctor", home, "--json")
    assert ended.code == 0
    assert (ended.document["kind"], ended.document["worst"]) == ("node", "note")
    assert {"severity", "check", "what", "means", "advice"} == set(ended.document["findings"][0])


def test_an_error_fails_the_command_and_says_what_to_do(home: Path) -> None:
    """For a person, and for a script."""
    (tls_directory(home) / "key.pem").chmod(0o644)
    ended = command("doctor", home, "--quiet")
    assert ended.code == 1
    assert "ERROR    files:" in ended.out
    assert "-> chmod 600" in ended.out
    assert "ok  " not in ended.out
    assert ended.out.endswith("1 error, 0 warnings\n")
    assert command("doctor", home, "--json").document["worst"] == "error"


def test_a_gateway_is_known_by_its_files(tmp_path: Path) -> None:
    """And a folder that is nobody's home is refused."""
    assert command("doctor", tmp_path).code == 2
    (tmp_path / "gateway.json").write_text("{}")
    ended = command("doctor", tmp_path, "--json")
    assert ended.document["kind"] == "gateway"
