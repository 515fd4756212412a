"""What an operator sees of a validator that contradicted itself, and how the command line checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgernode.identity.home import validator_directory
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.types import ChainId, Epoch, Height, identity_id
from ledgernode.wire.validators import vote_bytes
from tests.cli.command_line import RunningNetwork

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def accused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """A network whose validator's key has voted for two results of block 77, and an operator has reported it."""
    running = RunningNetwork(tmp_path_factory.mktemp("evidence") / "network")
    running.done("tx", "submit", "evidence", "report", json.dumps(report(running.home, running)))
    yield running
    running.stop()


def report(home: Path, network: RunningNetwork) -> dict[str, str]:
    key = PrivateKey.load(validator_directory(home) / "key.pem")
    chain = ChainId(bytes.fromhex(network.read("node", "status")["nodes"][0]["ledgers"][0]["chain_id"]))
    messages = [vote_bytes(chain, Epoch(0), Height(77), bytes([choice]) * 32) for choice in (1, 2)]
    first, second = ((message + key.sign(message)).hex() for message in messages)
    return {"member": identity_id(key.public_key).hex(), "first": first, "second": second}


def test_faults_are_listed_with_who_and_on_what(accused: RunningNetwork) -> None:
    """By organisation and epoch; where there is none, that is said."""
    (fault,) = accused.read("evidence", "list")["faults"]
    assert (fault["organisation"], fault["ballot"], fault["height"]) == ("north", "block", 77)
    assert accused.read("evidence", "list", "--organisation", "north", "--epoch", 0)["faults"] == [fault]
    assert accused.read("evidence", "list", "--organisation", "south")["faults"] == []
    assert "block 77" in accused.done("evidence", "list").out
    assert "no validator is known" in accused.done("evidence", "list", "--epoch", 1).out


def test_a_fault_is_shown_and_checked_here(accused: RunningNetwork) -> None:
    """Both votes, a check with the set of their epoch, and what to do; also by the digits that the list shows."""
    (fault,) = accused.read("evidence", "list")["faults"]
    assert accused.read("evidence", "show", fault["id"]) == {**fault, "holds": True}
    shown = accused.done("evidence", "show", fault["id"][:16]).out
    for words in ("01" * 32, "02" * 32, "both signatures are its own", "remove_validator", fault["member"]):
        assert words in shown


def test_a_node_that_makes_evidence_up_is_seen_through(
    accused: RunningNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check does not ask the node: a signature that does not hold is said to be none."""
    from ledgernode.cli.ask import Speaker

    asked = Speaker.ask

    def lying(self: Speaker, contract: str, function: str, **arguments: Any) -> Any:
        found = asked(self, contract, function, **arguments)
        return {**found, "second": found["second"][:-2] + "00"} if function == "fault" else found

    (fault,) = accused.read("evidence", "list")["faults"]
    monkeypatch.setattr(Speaker, "ask", lying)
    assert accused.read("evidence", "show", fault["id"])["holds"] is False
    assert "DOES NOT HOLD" in accused.done("evidence", "show", fault["id"]).out


def test_a_fault_that_is_not_recorded_is_refused(accused: RunningNetwork) -> None:
    """With its code, and where to look."""
    ended = accused.run("evidence", "show", "ab" * 32)
    assert (ended.code, "FAULT_UNKNOWN" in ended.err, "evidence list" in ended.err) == (5, True, True)


def test_the_status_shows_it_and_says_what_to_do(accused: RunningNetwork) -> None:
    """What stands on the ledger is counted beside what this node has noticed itself."""
    (validator,) = accused.read("node", "status")["nodes"][0]["ledgers"][0]["validators"]
    assert (validator["contradictions"], validator["faults"]) == (0, 1)
    shown = accused.done("node", "status").out
    assert "evidence list --organisation north" in shown
    assert "up to date" in shown


def test_things_are_counted_in_words(accused: RunningNetwork) -> None:
    """One signature is no signatures."""
    shown = accused.done("block", "show", "1").out
    assert "1 signature\n" in shown
    assert "0 timers" in shown
