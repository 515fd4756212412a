"""Which copy of a ledger goes furthest, and whether all tell of one history."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.backup.survey import Standing, read_standings, standing_of_backup, standing_of_chain, survey
from ledgernode.errors import BackupForeign, BackupInvalid
from ledgernode.testing import TestLedger
from tests.backup.conftest import back_up, grow


def standing(source: str, last: int, certified: int, first: int = 1, **recent: str) -> Standing:
    return Standing(source, "ab", first, last, certified, {int(at[1:]): name for at, name in recent.items()})


def test_the_highest_block_counts_and_not_the_highest_certificate() -> None:
    """Whose certificate only a lost one had, that block was acknowledged all the same."""
    assert survey([standing("a", 9, 9), standing("b", 10, 8), standing("c", 9, 9)]).best.source == "b"
    assert survey([standing("a", 9, 8), standing("b", 9, 9)]).best.source == "b"
    assert survey([standing("a", 9, 9, first=5), standing("b", 9, 9)]).best.source == "b"


def test_copies_that_part_are_named_with_the_block_where_they_do() -> None:
    copies = [
        standing("a", 9, 9, h7="x", h8="y", h9="z"),
        standing("b", 8, 8, h7="x", h8="y"),
        standing("c", 9, 6, h7="x", h8="other", h9="more"),
    ]
    assert survey(copies).contradictions == (("a", "c", 8), ("b", "c", 8))


def test_copies_of_two_ledgers_are_not_compared() -> None:
    with pytest.raises(BackupForeign):
        survey([standing("a", 1, 1), Standing("b", "cd", 1, 1, 1, {})])


def test_a_chain_and_its_backup_tell_the_same(ledger: TestLedger, tmp_path: Path) -> None:
    back_up(ledger, tmp_path)
    grow(ledger, 2)
    chain, backup = standing_of_chain("node", ledger.chain), standing_of_backup(tmp_path)
    found = survey([backup, chain])
    assert (found.best, found.contradictions) == (chain, ())
    assert backup.recent.items() <= chain.recent.items()
    assert len(backup.recent) > 1


def test_what_another_member_has_printed_is_read(tmp_path: Path) -> None:
    one = standing("a", 9, 9, h9="z")
    (tmp_path / "a.json").write_bytes(msgspec.json.encode({"standings": [one], "best": "a"}))
    assert read_standings(tmp_path / "a.json") == (one,)
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(BackupInvalid):
        read_standings(tmp_path / "b.json")
