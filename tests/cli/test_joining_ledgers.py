"""A node's home with several ledgers: what it takes, what it refuses, what is left when one goes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledgernode.cli.joining import drop_ledger, held_ledgers
from ledgernode.errors import Conflict, Missing
from ledgernode.identity.home import LedgerLimits, NodeConfig, genesis_path, tls_directory
from ledgernode.identity.tls import is_under, load_tls
from tests.several import Organisations


@pytest.fixture
def place(tmp_path: Path) -> Organisations:
    found = Organisations(tmp_path / "place", ("north", "south", "east"))
    found.found("retail", ("north",), engine="pow")
    found.found("market", ("north", "south"), engine="pow")
    found.found("other", ("north", "south", "east"), engine="pow")
    return found


def known(place: Organisations, organisation: str) -> list[str]:
    """Whose people north's node lets in."""
    roots = load_tls(tls_directory(place.home(organisation))).roots
    return [name for name in place.names if is_under(load_tls(place.admin_folder(name)).certificate, roots)]


def test_with_each_ledger_come_its_founders_and_with_it_they_go(place: Organisations) -> None:
    """But for those whom another ledger needs, and for our own."""
    home = place.home("north")
    place.join("north", "retail", "market", "other")
    assert NodeConfig.read(home).ledgers == ("retail", "market", "other")
    assert known(place, "north") == ["north", "south", "east"]
    drop_ledger(home, "other", erase=False, wait_s=0)
    assert known(place, "north") == ["north", "south"]
    drop_ledger(home, "retail", erase=False, wait_s=0)
    drop_ledger(home, "market", erase=True, wait_s=0)
    assert known(place, "north") == ["north"]
    assert NodeConfig.read(home).ledgers == ()
    assert [(one.ledger, one.serves) for one in held_ledgers(home)] == [("other", False), ("retail", False)]
    assert not genesis_path(home, "market").parent.exists()


def test_what_is_not_there_cannot_be_dropped(place: Organisations) -> None:
    """Erased it can be as long as it is kept, also when it is served no more."""
    home = place.home("north")
    place.join("north", "retail")
    with pytest.raises(Missing, match="serves no ledger market, but retail"):
        drop_ledger(home, "market", erase=True, wait_s=0)
    drop_ledger(home, "retail", erase=False, wait_s=0)
    with pytest.raises(Missing, match="but none"):
        drop_ledger(home, "retail", erase=False, wait_s=0)
    drop_ledger(home, "retail", erase=True, wait_s=0)
    assert not held_ledgers(home)


def test_a_ledger_of_one_validator_is_joined_by_its_node_alone(place: Organisations) -> None:
    """Nobody follows it; any other node would open it in vain."""
    place.found("alone", ("north", "south"), engine="solo")
    place.join("north", "alone")
    with pytest.raises(Conflict, match="one validator"):
        place.join("south", "alone")
    assert NodeConfig.read(place.home("south")).ledgers == ()


def test_a_ledger_on_which_our_name_is_somebody_elses_is_refused(place: Organisations, tmp_path: Path) -> None:
    """Its admins would be taken for our own."""
    strangers = Organisations(tmp_path / "strangers", ("north", "west"))
    founded = strangers.found("elsewhere", ("north", "west"), engine="pow")
    place.ledgers["elsewhere"] = founded
    with pytest.raises(Conflict, match="another organisation"):
        place.join("north", "elsewhere")
    place.join("east", "elsewhere")


def test_limits_are_of_ledgers_by_name(place: Organisations) -> None:
    """What is not said has its default; an unknown limit is refused with the file."""
    home = place.home("north")
    config = msgspec.structs.replace(NodeConfig.read(home), limits={"market": LedgerLimits(mempool_transactions=10)})
    config.write(home)
    read = NodeConfig.read(home)
    assert read == config
    assert read.limits["market"].store_bytes == LedgerLimits().store_bytes
