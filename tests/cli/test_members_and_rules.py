"""Identities, governance and the chaincode life cycle through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import RunningNetwork, done

pytestmark = pytest.mark.slow


def test_identities_are_listed_and_shown(network: RunningNetwork, customer: str) -> None:
    """Every organisation's identities, and one with its keys, by name or by id."""
    found = network.read("identity", "list")["identities"]
    assert {one["organisation"] for one in found} == {"north", "south", "east"}
    shown = network.read("identity", "show", customer)
    assert shown["role"] == "customer"
    assert network.read("identity", "show", shown["id"]) == shown
    assert shown["id"][:16] in network.done("identity", "list", "--organisation", "north").out
    assert "current" in network.done("identity", "show", customer).out


def test_list_of_meters_is_enrolled_and_registered_at_once(network: RunningNetwork, tmp_path: Path) -> None:
    """More identities than one transaction takes are registered, and registering again changes nothing."""
    listed = tmp_path / "meters.csv"
    listed.write_text("name,role,feeder\n" + "".join(f"bulk-{number},meter,ALPHA-09\n" for number in range(40)))
    told = network.done("identity", "enroll", "--bulk", listed, "--register", "--json").document
    assert len({one["id"] for one in told["enrolled"]}) == 40
    height = network.read("block", "list")["height"]
    home = network.directory / "organisations" / "north" / "identities"
    again = network.done(
        "identity", "register", home / "bulk-0", home / "bulk-39" / "certificate.pem", "--json"
    ).document
    assert [one["id"] for one in again["registered"]] == [told["enrolled"][0]["id"], told["enrolled"][39]["id"]]
    assert network.read("block", "list")["height"] == height
    assert network.read("identity", "show", "north/bulk-7")["attributes"] == {"feeder": "ALPHA-09"}


def test_faulty_list_enrolls_nobody(network: RunningNetwork, tmp_path: Path) -> None:
    """A list with one fault changes nothing."""
    listed = tmp_path / "faulty.csv"
    listed.write_text("name,role\nfaulty-1,meter\nfaulty-1,meter\n")
    assert network.run("identity", "enroll", "--bulk", listed).code == 6
    assert not (network.directory / "organisations" / "north" / "identities" / "faulty-1").exists()


def test_rotation_keeps_the_identity(network: RunningNetwork, notice_board: str) -> None:
    """After a rotation the same identity speaks with another key, and still owns what it owned."""
    network.done("identity", "enroll", "rotating", "--role", "customer", "--register")
    home = network.directory / "organisations" / "north" / "identities" / "rotating"
    network.done("tx", "submit", notice_board, "write", '{"entry": "mine", "text": ""}', "--as", "north/rotating")
    before, old_key = network.read("identity", "show", "north/rotating"), (home / "key.pem").read_bytes()
    told = network.done("identity", "rotate", "--as", "north/rotating", "--json").document
    assert told["id"] == before["id"]
    assert (home / "old-key.pem").read_bytes() == old_key
    after = network.read("identity", "show", "north/rotating")
    assert (after["id"], len(after["keys"])) == (before["id"], 2)
    assert after["keys"][1]["public_key"] == before["keys"][0]["public_key"]
    network.done("tx", "submit", notice_board, "withdraw", '{"entry": "mine"}', "--as", "north/rotating")
    network.done("identity", "rotate", "--as", "north/rotating")
    assert network.read("identity", "show", "north/rotating")["id"] == before["id"]


def test_rotation_that_was_cut_short_is_finished(network: RunningNetwork) -> None:
    """The ledger took the new key, then the power failed before the files changed places: run it again."""
    network.done("identity", "enroll", "unlucky", "--role", "customer", "--register")
    network.done("identity", "rotate", "--as", "north/unlucky")
    after = network.read("identity", "show", "north/unlucky")
    home = network.directory / "organisations" / "north" / "identities" / "unlucky"
    for file in ("key.pem", "certificate.pem"):
        (home / file).replace(home / f"next-{file}")
        (home / f"old-{file}").replace(home / file)
    (home / "identity").unlink()
    assert network.done("identity", "rotate", "--as", "north/unlucky", "--json").document["id"] == after["id"]
    assert network.read("identity", "show", "north/unlucky") == after
    assert network.done("identity", "show", after["id"], "--as", "north/unlucky").code == 0


def test_rotation_away_from_the_authority_takes_two_steps(network: RunningNetwork, tmp_path: Path) -> None:
    """Where the authority is elsewhere: a request first, its certificate, then the same command again."""
    authority = network.directory / "organisations" / "north"
    home = tmp_path / "distant"

    def certified(*requests: str) -> None:
        for number, request in enumerate(requests):
            signed = tmp_path / f"signed-{number}.pem"
            done("identity", "sign", home / request, "--org", authority, "-o", signed)
            done("identity", "accept", home, signed)

    done("identity", "new", home, "--organisation", "north", "--role", "customer")
    certified("request.pem", "tls-request.pem")
    network.done("identity", "register", home)
    first = network.done("identity", "rotate", "--identity", home, "--json").document
    assert (first["rotated"], first["request"]) == (False, str(home / "next-request.pem"))
    certified("next-request.pem")
    assert network.done("identity", "rotate", "--identity", home, "--json").document["rotated"] is True


def test_lost_key_is_replaced_by_the_admin(network: RunningNetwork, notice_board: str, tmp_path: Path) -> None:
    """`rekey` gives the identity another key, and the lost one is refused from the next block on."""
    network.done("identity", "enroll", "losing", "--role", "customer", "--register")
    authority = network.directory / "organisations" / "north"
    done("identity", "new", tmp_path / "new", "--organisation", "north", "--role", "customer", "--name", "losing-2")
    done("identity", "sign", tmp_path / "new" / "request.pem", "--org", authority, "-o", tmp_path / "new.pem")
    network.done("identity", "rekey", "north/losing", tmp_path / "new.pem", "--reason", "telephone lost")
    refused = network.run(
        "tx", "submit", notice_board, "write", '{"entry": "l", "text": ""}', "--as", "north/losing", "--json"
    )
    assert refused.error["code"] == "SIGNER_UNKNOWN"


def test_suspension_ends_and_revocation_does_not(network: RunningNetwork, notice_board: str) -> None:
    """Suspended: refused, then resumed. Revoked: refused for ever."""
    network.done("identity", "enroll", "leaving", "--role", "customer", "--register")
    write = (
        "tx",
        "submit",
        notice_board,
        "write",
        '{"entry": "leaving", "text": ""}',
        "--as",
        "north/leaving",
        "--json",
    )
    network.done("identity", "suspend", "north/leaving", "--reason", "unpaid")
    assert network.run(*write).error["code"] == "SIGNER_SUSPENDED"
    network.done("identity", "resume", "north/leaving", "--reason", "paid")
    network.done(*write)
    told = network.done("identity", "revoke", "north/leaving", "--reason", "moved away", "--yes", "--json").document
    assert told["status"] == "revoked"
    assert network.run(*write).error["code"] == "SIGNER_REVOKED"
    again = network.run("identity", "resume", "north/leaving", "--reason", "back", "--json")
    assert (again.code, again.error["code"]) == (6, "identity.WRONG_STATUS")


def test_revocation_asks_first(network: RunningNetwork, customer: str) -> None:
    """Without --yes, and without an answer, nothing is revoked."""
    network.run("identity", "revoke", customer, "--reason", "by mistake", input="n\n")
    assert network.read("identity", "show", customer)["status"] == "active"


def test_proposal_is_approved_by_a_majority(network: RunningNetwork) -> None:
    """One organisation proposes, a second approves: it is enacted, and holds."""
    before = network.read("governance", "parameters")["events"]
    made = network.done("governance", "propose", "parameters", json.dumps({"events": before + 1}), "--json").document
    assert (made["stage"], made["approvals"]) == ("open", ["north"])
    assert made["id"] in network.done("governance", "list").out
    assert made["id"] in network.done("governance", "show", made["id"]).out
    approved = network.done("governance", "approve", made["id"], "--as", "south/admin", "--json").document
    assert approved["stage"] == "enacted"
    assert network.read("governance", "parameters")["events"] == before + 1
    assert made["id"] in {one["id"] for one in network.read("governance", "list", "--stage", "enacted")["proposals"]}


def test_proposal_is_rejected_or_withdrawn(network: RunningNetwork) -> None:
    """Two of three against it defeat a proposal; its maker can take it back before."""
    change = json.dumps({"call_depth": 7})
    made = network.done("governance", "propose", "parameters", change, "--json").document["id"]
    network.done("governance", "reject", made, "--as", "south/admin")
    assert network.done("governance", "reject", made, "--as", "east/admin", "--json").document["stage"] == "defeated"
    made = network.done("governance", "propose", "parameters", change, "--json").document["id"]
    assert network.done("governance", "withdraw", made, "--json").document["stage"] == "withdrawn"


def test_an_organisation_is_proposed_by_its_bundle_and_shown_in_words(network: RunningNetwork, tmp_path: Path) -> None:
    """Who votes reads whom the certificates name; `--json` has them as they are."""
    authority, admin, chain = tmp_path / "isle", tmp_path / "admin", tmp_path / "admin.pem"
    done("org", "init", authority, "isle")
    done("identity", "new", admin, "--organisation", "isle", "--role", "admin", "--name", "keeper")
    done("identity", "sign", admin / "request.pem", "--org", authority, "--role", "admin", "-o", chain)
    done("org", "bundle", authority)
    made = network.done("governance", "admit", authority / "bundle.json", "--policy", "all", "--json").document
    assert (made["kind"], made["stage"], made["change"]["policy"]) == ("add_organisation", "open", "all")
    assert made["change"]["admins"] == [chain.read_text()]
    for shown in (network.done("governance", "list").out, network.done("governance", "show", made["id"]).out):
        assert "BEGIN CERTIFICATE" not in shown
        assert "admin isle/keeper, certified until" in shown
        assert "certificate with SHA-256" in shown
    network.done("governance", "withdraw", made["id"])
    refused = network.run("governance", "admit", chain, "--json")
    assert (refused.code, refused.error["code"]) == (2, "GENESIS_INVALID")


def test_validators_and_policy_are_shown(network: RunningNetwork) -> None:
    """Who orders blocks, and how many must agree."""
    assert [one["organisation"] for one in network.read("governance", "validators")["members"]] == ["north"]
    assert network.read("governance", "policy")["needed"] == 2
    assert "2 of 3" in network.done("governance", "policy").out
    assert "epoch" in network.done("governance", "validators").out
    assert "block_transactions" in network.done("governance", "parameters").out


def test_contract_is_upgraded_step_by_step(network: RunningNetwork, tmp_path: Path) -> None:
    """Package, install, approve by two, commit; then a second version stands beside the first."""
    done("chaincode", "new", "stepwise", "--into", tmp_path)
    source = tmp_path / "stepwise.py"
    for version in ("1.0.0", "1.1.0"):
        source.write_text(source.read_text().replace('version = "1.0.0"', f'version = "{version}"'))
        package = tmp_path / f"{version}.package"
        found = done("chaincode", "package", source, "-o", package, "--json").document["hash"]
        assert network.done("chaincode", "install", package, "--json").document["hash"] == found
        first = network.done("chaincode", "approve", "stepwise", found, "--json").document
        assert (first["ready"], first["missing"]) == (False, ["east", "south"])
        early = network.run("chaincode", "commit", "stepwise", found, "--json")
        assert (early.code, early.error["code"]) == (6, "APPROVALS_MISSING")
        assert (
            "it can be committed" in network.done("chaincode", "approve", "stepwise", found, "--as", "east/admin").out
        )
        network.done("chaincode", "commit", "stepwise", found)
        shown = network.read("chaincode", "show", "stepwise")
        assert (shown["version"], shown["hash"]) == (version, found)
        assert "write" in {function["name"] for function in shown["functions"]}
    (listed,) = [one for one in network.read("chaincode", "list")["contracts"] if one["name"] == "stepwise"]
    assert [version["version"] for version in listed["versions"]] == ["1.0.0", "1.1.0"]
    assert "class Stepwise" in network.done("chaincode", "show", found, "--source").out


def test_ledgers_own_contracts_are_shown(network: RunningNetwork) -> None:
    """The system contracts explain themselves like any other."""
    shown = network.read("chaincode", "show", "governance")
    assert "propose" in {function["name"] for function in shown["functions"]}
    assert "part of the ledger" in network.done("chaincode", "show", "identity").out


def test_deploying_again_leaves_what_is_done(network: RunningNetwork, tmp_path: Path) -> None:
    """The very same package is not committed twice: deploying it again tells where it stands."""
    done("chaincode", "new", "again", "--into", tmp_path)
    first = network.done("chaincode", "deploy", tmp_path / "again.py", "--json").document
    assert network.done("chaincode", "deploy", tmp_path / "again.py", "--json").document == first
    versions = network.done("query", "lifecycle", "describe", '{"name": "again"}', "--json").document["result"][
        "versions"
    ]
    assert len(versions) == 1
