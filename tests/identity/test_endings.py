"""A node's operator is warned of certificates that end, in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgernode.identity.authority import DAY_MS, MEMBER_DAYS
from ledgernode.identity.endings import endings
from ledgernode.identity.founding import found_network
from ledgernode.wire.parameters import Parameters

FOUNDED_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("endings") / "network"
    found_network(
        directory,
        organisations=["north", "south"],
        ledger="test",
        engine="solo",
        base_port=1,
        parameters=Parameters(),
        now_ms=FOUNDED_MS,
    )
    return directory / "nodes" / "north-1"


@pytest.mark.parametrize(
    ("days", "said", "urgent"),
    [(29, "ends in 29 days", False), (7, "ends in 7 days", False), (6, "6 days", True), (-3, "ended 3 days ago", True)],
)
def test_both_certificates_are_named(home: Path, days: int, said: str, urgent: bool) -> None:
    """Thirty days ahead, urgent from seven, and when they have ended."""
    found = endings(home, FOUNDED_MS + (MEMBER_DAYS - days) * DAY_MS)
    assert [ending.what for ending in found] == ["validator", "TLS"]
    assert all(said in str(ending) and ending.urgent is urgent for ending in found)


def test_what_holds_for_long_is_not_named(home: Path) -> None:
    """No warning every day for a year."""
    assert endings(home, FOUNDED_MS + (MEMBER_DAYS - 30) * DAY_MS) == []
    assert endings(home / "nowhere", FOUNDED_MS) == []
