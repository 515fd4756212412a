"""The command line against a running node: every read as JSON, every refusal with its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import RunningNetwork, command, done

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def entry(network: RunningNetwork, notice_board: str, customer: str) -> dict[str, Any]:
    """What a committed transaction of the customer was answered with."""
    arguments = json.dumps({"entry": "first", "text": "grüezi"})
    answer: dict[str, Any] = network.done(
        "tx", "submit", notice_board, "write", arguments, "--as", customer, "--json"
    ).document
    return answer


def test_submitted_transaction_is_committed_and_found(network: RunningNetwork, entry: dict[str, Any]) -> None:
    """`tx submit` answers with where it stands and what came of it; `tx show` finds it again."""
    assert (entry["stage"], entry["code"], entry["result"]["text"]) == ("committed", "OK", "grüezi")
    found = network.read("tx", "show", entry["transaction_id"])
    assert found["height"] == entry["height"]
    assert found["arguments"] == {"entry": "first", "text": "grüezi"}
    assert found["receipt"]["events"][0]["name"] == "EntryWritten"
    shown = network.done("tx", "show", entry["transaction_id"]).out
    assert "notice_board.write" in shown
    assert "EntryWritten" in shown


@pytest.mark.parametrize(
    "level",
    [
        ["local"], ["linearizable"], ["certified"], ["at-least", "--height", "1"],
    ],
    ids=lambda level: level[0],
)  # fmt: skip
def test_question_is_answered_at_each_level(network: RunningNetwork, entry: dict[str, Any], level: list[str]) -> None:
    """Every read level answers from a state that holds what was committed before."""
    answer = network.read("query", "notice_board", "read", '{"entry": "first"}', "--level", *level)
    assert answer["result"]["text"] == "grüezi"
    assert answer["height"] >= entry["height"]


def test_past_height_is_answered_as_it_was(network: RunningNetwork, entry: dict[str, Any]) -> None:
    """`--level at-height` shows the state after exactly that block."""
    question = ("query", "notice_board", "all", "--level", "at-height", "--height")
    assert network.read(*question, entry["height"] - 1)["result"]["items"] == []
    assert [name for name, _ in network.read(*question, entry["height"])["result"]["items"]] == ["first"]


def test_height_without_its_level_is_refused(network: RunningNetwork) -> None:
    """A height that no level would use is a mistake, not ignored."""
    assert network.run("query", "notice_board", "all", "--height", "3", "--json").error["code"] == "REQUEST_INVALID"


def test_blocks_are_shown_by_height_hash_and_as_newest(network: RunningNetwork, entry: dict[str, Any]) -> None:
    """One block has one document, however it is named; it chains to its parent."""
    by_height = network.read("block", "show", entry["height"])
    assert network.read("block", "show", by_height["hash"]) == by_height
    assert network.read("block", "show", "latest")["height"] >= entry["height"]
    assert by_height["parent_hash"] == network.read("block", "show", entry["height"] - 1)["hash"]
    assert by_height["transactions"][0]["id"] == entry["transaction_id"]
    assert len(by_height["certificate"]) == 1
    assert by_height["hash"] in network.done("block", "show", entry["height"]).out


def test_blocks_are_listed_from_a_height_or_as_the_newest(network: RunningNetwork, entry: dict[str, Any]) -> None:
    """`block list` shows consecutive heights up to the head."""
    listed = network.read("block", "list", "--last", 3)
    assert [block["height"] for block in listed["blocks"]] == [
        listed["height"] - 2,
        listed["height"] - 1,
        listed["height"],
    ]
    assert [block["height"] for block in network.read("block", "list", "--from", 0, "--last", 2)["blocks"]] == [0, 1]
    assert network.read("block", "list", "--from", entry["height"] + 1_000)["blocks"] == []
    assert "transactions" in network.done("block", "list").out


def test_events_are_filtered_by_contract_name_and_height(network: RunningNetwork, entry: dict[str, Any]) -> None:
    """Only what was asked for, in order, up to the head; without --follow it ends."""
    found = network.read("events", "--contract", "notice_board", "--name", "EntryWritten")["events"]
    assert {event["contract"] for event in found} == {"notice_board"}
    assert entry["transaction_id"] in {event["transaction_id"] for event in found}
    later = network.read("events", "--from", entry["height"] + 1, "--contract", "notice_board")["events"]
    assert all(event["height"] > entry["height"] for event in later)
    assert "notice_board.EntryWritten" in network.done("events").out


def test_proof_is_fetched_and_checked_offline(network: RunningNetwork, entry: dict[str, Any], tmp_path: Path) -> None:
    """A proof holds with the genesis file alone; with a byte altered, or another genesis, it does not."""
    file, genesis = tmp_path / "proof.json", network.directory / "genesis.json"
    network.done("proof", "get", entry["transaction_id"], "-o", file)
    checked = done("proof", "check", file, "--genesis", genesis, "--json").document
    assert (checked["height"], checked["transaction"]["id"]) == (entry["height"], entry["transaction_id"])
    assert "the proof holds" in done("proof", "check", file, "--genesis", genesis).out
    altered = tmp_path / "altered.json"
    altered.write_bytes(file.read_bytes().replace(b'"certificate":"00', b'"certificate":"01', 1))
    assert altered.read_bytes() != file.read_bytes()
    assert command("proof", "check", altered, "--genesis", genesis, "--json").error["code"] == "PROOF_INVALID"
    done("network", "init", tmp_path / "other")
    foreign = command("proof", "check", file, "--genesis", tmp_path / "other" / "genesis.json")
    assert foreign.code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("tx", "submit", "nowhere", "act"), "CONTRACT_UNKNOWN", 5),
        (("tx", "submit", "notice_board", "nothing"), "FUNCTION_UNKNOWN", 5),
        (("tx", "submit", "notice_board", "write", '{"entry": "x"}'), "ARGUMENTS_INVALID", 2),
        (("tx", "submit", "notice_board", "write", "{"), "ARGUMENTS_INVALID", 2),
        (("tx", "submit", "notice_board", "read", '{"entry": "x"}'), "FUNCTION_KIND", 2),
        (("tx", "submit", "notice_board", "withdraw", '{"entry": "none"}'), "notice_board.ENTRY_UNKNOWN", 6),
        (
            ("tx", "submit", "notice_board", "write", '{"entry": "b", "text": ""}', "--budget", "1"),
            "BUDGET_EXCEEDED",
            7,
        ),
        (("tx", "show", "00" * 32), "TRANSACTION_UNKNOWN", 5),
        (("tx", "show", "abc"), "REQUEST_INVALID", 2),
        (("block", "show", "99999999"), "BLOCK_UNKNOWN", 5),
        (("block", "show", "newest"), "REQUEST_INVALID", 2),
        (("identity", "show", "00" * 32), "IDENTITY_UNKNOWN", 5),
        (("governance", "show", "0000000000000000"), "PROPOSAL_UNKNOWN", 5),
        (("governance", "propose", "weather", "{}"), "ARGUMENTS_INVALID", 2),
        (("chaincode", "show", "nowhere"), "CONTRACT_UNKNOWN", 5),
        (("chaincode", "approve", "notice_board", "00" * 32), "PACKAGE_UNKNOWN", 5),
        (("identity", "list", "--as", "north/customer-1", "--endpoint", "127.0.0.1:1"), "NODE_UNREACHABLE", 8),
        (("block", "list", "--ledger", "another"), "LEDGER_UNKNOWN", 5),
        (("log-level", "--as", "south/admin"), "ROLE_REFUSED", 4),
        (("governance", "propose", "policy", '{"policy": "all"}', "--as", "north/customer-1"), "ROLE_REFUSED", 4),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else None,
)
def test_refusal_has_its_code_and_exit_code(
    network: RunningNetwork,
    entry: dict[str, Any],
    arguments: tuple[str, ...],
    code: str,
    exit_code: int,
) -> None:
    """The ledger's stable code reaches the caller unchanged, and the exit code is its kind's."""
    ended = network.run(*arguments, "--json")
    assert (ended.error["code"], ended.code) == (code, exit_code)


def test_unregistered_speaker_is_refused(network: RunningNetwork) -> None:
    """A certificate alone is not enough: the ledger must know the identity."""
    network.done("identity", "enroll", "stranger", "--role", "customer")
    ended = network.run("tx", "submit", "notice_board", "write", '{"entry": "s", "text": ""}', "--as", "north/stranger")
    assert ended.code == 3
    assert ended.err.startswith("error SIGNER_UNKNOWN")
    assert "identity register" in ended.err
    (told,) = (line.split()[1] for line in ended.err.splitlines() if line.startswith("  transaction "))
    assert network.run("tx", "show", told, "--json").error["code"] == "TRANSACTION_UNKNOWN"


def test_devices_number_is_used_once(network: RunningNetwork, notice_board: str) -> None:
    """`--sequence` signs as a device does: a number that was used is refused."""
    network.done("identity", "enroll", "M-9", "--role", "meter", "--register")
    once = (
        "tx",
        "submit",
        notice_board,
        "write",
        '{"entry": "m9", "text": ""}',
        "--as",
        "north/M-9",
        "--sequence",
        "7",
    )
    network.done(*once)
    again = network.run(*once[:4], '{"entry": "m9b", "text": ""}', *once[5:], "--json")
    assert (again.code, again.error["code"]) == (6, "SEQUENCE_REPLAYED")


def test_admitted_transaction_is_found_later(network: RunningNetwork, notice_board: str) -> None:
    """`--wait admitted` returns before the block does."""
    told = network.done(
        "tx", "submit", notice_board, "write", '{"entry": "soon", "text": ""}', "--wait", "admitted", "--json"
    ).document
    assert told["stage"] in {"admitted", "committed"}


def test_arguments_come_from_a_file_or_standard_input(
    network: RunningNetwork, notice_board: str, tmp_path: Path
) -> None:
    """`@FILE` and `-` keep long arguments off the command line."""
    file = tmp_path / "arguments.json"
    file.write_text('{"entry": "from a file", "text": ""}')
    network.done("tx", "submit", notice_board, "write", f"@{file}")
    network.done("tx", "submit", notice_board, "write", "-", input='{"entry": "from a pipe", "text": ""}')
    names = [name for name, _ in network.read("query", notice_board, "all")["result"]["items"]]
    assert {"from a file", "from a pipe"} <= set(names)


def test_proof_of_an_element_needs_a_signed_batch(
    network: RunningNetwork, entry: dict[str, Any], tmp_path: Path
) -> None:
    """A transaction without a batch has no elements to prove, and no file is written."""
    ended = network.run("proof", "get", entry["transaction_id"], "--item", "0", "-o", tmp_path / "p.json", "--json")
    assert ended.code in {2, 5}
    assert not (tmp_path / "p.json").exists()
