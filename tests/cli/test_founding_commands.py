"""Founding from the command line, and keys on their way to certificates. Nothing here needs a node."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.command_line import command, done


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    done("org", "init", tmp_path / "north", "north")
    return tmp_path / "north"


def enrolled(authority: Path, name: str, role: str) -> Path:
    """An identity with its certificate, in a folder of its own."""
    home = authority.parent / name
    done("identity", "new", home, "--organisation", "north", "--role", role)
    done("identity", "sign", home / "request.pem", "--org", authority, "-o", home / "signed.pem")
    done("identity", "accept", home, home / "signed.pem")
    return home


def test_keys_belong_to_their_owner_alone(authority: Path) -> None:
    """Every key file is 0600 in a 0700 folder, and no command prints one."""
    home = enrolled(authority, "customer-1", "customer")
    for folder in (authority, home):
        for key in folder.rglob("*key.pem"):
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_second_key_is_never_made_over_the_first(authority: Path) -> None:
    """`identity new` where there is a key refuses, and the key stays."""
    home = enrolled(authority, "customer-1", "customer")
    before = (home / "key.pem").read_bytes()
    assert command("identity", "new", home, "--organisation", "north", "--role", "customer").code == 6
    assert (home / "key.pem").read_bytes() == before


def test_sign_refuses_another_role_than_expected(authority: Path) -> None:
    """Who signs says what they expect; a request that asks for more is refused."""
    done("identity", "new", authority.parent / "x", "--organisation", "north", "--role", "admin")
    ended = command(
        "identity",
        "sign",
        authority.parent / "x" / "request.pem",
        "--org",
        authority,
        "--role",
        "customer",
    )
    assert ended.code == 2
    assert "error CERTIFICATE_INVALID" in ended.err


def test_certificate_is_accepted_only_beside_its_key(authority: Path) -> None:
    """A certificate of another key is refused, and nothing is replaced."""
    first, second = enrolled(authority, "a", "customer"), enrolled(authority, "b", "customer")
    before = (first / "certificate.pem").read_bytes()
    assert command("identity", "accept", first, second / "certificate.pem").code == 6
    assert (first / "certificate.pem").read_bytes() == before


def test_next_request_waits_beside_the_key_in_use(authority: Path) -> None:
    """`identity csr --next` begins a rotation; the present key and certificate stay."""
    home = enrolled(authority, "customer-1", "customer")
    before = (home / "key.pem").read_bytes()
    told = done("identity", "csr", home, "--next", "--json").document
    assert Path(told["request"]) == home / "next-request.pem"
    assert (home / "key.pem").read_bytes() == before
    assert Path(done("identity", "csr", home, "--json").document["request"]) == home / "request.pem"


@pytest.mark.parametrize("attribute", ["feeder", "=ALPHA", "feeder=A --attribute feeder=B"])
def test_attribute_must_have_key_and_value_once(attribute: str, tmp_path: Path) -> None:
    """A malformed attribute is refused before a key is made."""
    given = ["--attribute", *attribute.split(" ")]
    ended = command("identity", "new", tmp_path / "m", "--organisation", "north", "--role", "meter", *given)
    assert ended.code == 2
    assert not (tmp_path / "m").exists()


def test_genesis_is_assembled_checked_and_accepted(authority: Path, tmp_path: Path) -> None:
    """From a bundle to a file that its founder has accepted; another founder's silence is noticed."""
    admin, validator = enrolled(authority, "admin", "admin"), enrolled(authority, "validator-1", "validator")
    assert validator.exists()
    done("org", "bundle", authority, "--validator", "validator-1=127.0.0.1:7051")
    done(
        "genesis",
        "assemble",
        authority / "bundle.json",
        "--name",
        "market",
        "--engine",
        "solo",
        "--parameter",
        "block_transactions=500",
        "-o",
        tmp_path / "genesis.json",
    )
    told = done("genesis", "check", tmp_path / "genesis.json", "--json").document
    assert (told["ledger"], told["engine"], told["accepted_by_all"]) == ("market", "solo", False)
    assert told["organisations"] == [{"name": "north", "admins": 1, "validators": ["127.0.0.1:7051"]}]
    done("genesis", "accept", tmp_path / "genesis.json", "--identity", admin, "-o", tmp_path / "north.json")
    ended = done("genesis", "check", tmp_path / "genesis.json", "--acceptance", tmp_path / "north.json")
    assert "by every organisation" in ended.out


def test_damaged_genesis_is_refused(authority: Path, tmp_path: Path) -> None:
    """A genesis that is not one ends with GENESIS_INVALID."""
    (tmp_path / "genesis.json").write_text("{}")
    assert command("genesis", "check", tmp_path / "genesis.json", "--json").error["code"] == "GENESIS_INVALID"


@pytest.mark.parametrize("change", ["no_such=1", "budget=many", "budget"])
def test_unknown_parameter_is_refused(change: str, tmp_path: Path) -> None:
    """A mistyped parameter founds nothing."""
    ended = command("network", "init", tmp_path / "n", "--parameter", change)
    assert ended.code == 2
    assert not (tmp_path / "n").exists()


def test_network_is_founded_once(tmp_path: Path) -> None:
    """A second `network init` in the same folder changes nothing."""
    done("network", "init", tmp_path / "n", "--ledger", "power", "--organisations", "a1,b1")
    before = (tmp_path / "n" / "network.json").read_bytes()
    assert command("network", "init", tmp_path / "n").code == 2
    assert (tmp_path / "n" / "network.json").read_bytes() == before


def test_network_is_found_by_option_variable_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--network wins over LEDGERNODE_NETWORK, which wins over the folder; and nothing is guessed beyond."""
    from ledgernode.cli.connection import Connection

    for name in ("here", "named", "ledgernode-network"):
        done("network", "init", tmp_path / name, "--ledger", name)
    monkeypatch.chdir(tmp_path)
    assert Connection().network.ledger == "ledgernode-network"
    monkeypatch.setenv("LEDGERNODE_NETWORK", str(tmp_path / "here"))
    assert Connection().network.ledger == "here"
    assert Connection(network_option=tmp_path / "named").network.ledger == "named"
    monkeypatch.setenv("LEDGERNODE_NETWORK", str(tmp_path))
    assert command("block", "list", "--json").error["code"] == "NETWORK_NOT_FOUND"
    monkeypatch.delenv("LEDGERNODE_NETWORK")
    monkeypatch.chdir(tmp_path / "named")
    assert Connection().network.ledger == "named"


@pytest.mark.parametrize("who", ["west/admin", "north/nobody"])
def test_unknown_speaker_is_named(who: str, tmp_path: Path) -> None:
    """--as of an organisation or identity that is not there says which."""
    done("network", "init", tmp_path / "n")
    ended = command("identity", "list", "--network", tmp_path / "n", "--as", who, "--json")
    assert (ended.code, ended.error["code"]) == (5, "NETWORK_NOT_FOUND")
    assert who.rpartition("/")[2] in ended.error["message"] or "west" in ended.error["message"]


def test_node_joins_only_what_every_founder_accepted(tmp_path: Path) -> None:
    """`node join` asks for all acceptances, and refuses another ledger of the same name."""
    done("network", "init", tmp_path / "n", "--organisations", "north,south")
    genesis = tmp_path / "n" / "genesis.json"
    done("node", "new", tmp_path / "node", "--organisation", "north", "--listen", "127.0.0.1:7051")
    accepted = []
    for name in ("north", "south"):
        refused = command("node", "join", tmp_path / "node", genesis, *accepted, "--json")
        assert (refused.code, refused.error["code"]) == (6, "APPROVALS_MISSING")
        done(
            "genesis",
            "accept",
            genesis,
            "--identity",
            tmp_path / "n" / "organisations" / name / "identities" / "admin",
            "-o",
            tmp_path / f"{name}.json",
        )
        accepted += ["--acceptance", tmp_path / f"{name}.json"]
    assert done("node", "join", tmp_path / "node", genesis, *accepted, "--json").document["ledger"] == "market"
    assert (tmp_path / "node" / "ledgers" / "market" / "genesis.json").read_bytes() == genesis.read_bytes()
    (tmp_path / "node" / "ledgers" / "market" / "genesis.json").write_text("another")
    assert command("node", "join", tmp_path / "node", genesis, *accepted).code == 6
