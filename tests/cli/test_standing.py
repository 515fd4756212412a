"""How a node stands, in one line: what each engine has to say, who is reached, how far behind it is."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.cli.standing import of_engine, standing


def ledger(**fields: Any) -> dict[str, Any]:
    """As a status has it: four validators, the second leads, one is out of reach."""
    names = ("north", "south", "east", "west")
    validators = [
        {"identity": f"{at:064x}", "organisation": name, "self": at == 0, "connected": at in (1, 2)}
        for at, name in enumerate(names)
    ]
    plain = {
        "epoch": 3,
        "engine": "pbft",
        "view": 5,
        "leader": f"{1:064x}",
        "branch_height": 0,
        "block_hashes": 0,
        "base_height": 0,
        "next_execution_height": 0,
    }
    return {**plain, "lag": 0, "validators": validators, **fields}


def test_who_leads_is_named_by_organisation() -> None:
    """View and leader on PBFT; a leader that is no member is said to be unknown."""
    assert standing(ledger()) == "epoch 3, view 5 led by south, 2 of 3 peers reached, up to date"
    assert of_engine(ledger(leader="")) == "view 5 led by nobody known"


def test_what_is_mined_is_told() -> None:
    """Head and target on proof of work."""
    mined = ledger(engine="pow", branch_height=12, block_hashes=131_072)
    assert of_engine(mined) == "heaviest branch at 12, a block takes 131,072 hashes"


def test_how_far_the_log_is_is_told() -> None:
    """Where a log orders."""
    assert of_engine(ledger(engine="jetstream", branch_height=1_200)) == "its log is at 1,200"
    assert of_engine(ledger(engine="jetstream", branch_height=0)) == "its log was not reached yet"


@pytest.mark.parametrize(("lag", "words"), [(0, "up to date"), (1, "1 block behind"), (1_200, "1,200 blocks behind")])
def test_how_far_behind_it_is(lag: int, words: str) -> None:
    """By what the peers say."""
    assert standing(ledger(lag=lag)).endswith(f", {words}")


def test_a_single_validator_has_no_peers_to_speak_of() -> None:
    """Nor a leader."""
    alone = ledger(engine="solo", validators=ledger()["validators"][:1])
    assert standing(alone) == "epoch 3, up to date"
