"""What speaks for an organisation, replaced by commands while a node runs: root, issuing authority, TLS of a member."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.certificate_profile import read_pem
from ledgernode.identity.tls import load_tls
from tests.cli.command_line import RunningNetwork, command, done

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """A network of its own: others' tests rely on the roots that were founded with."""
    running = RunningNetwork(tmp_path_factory.mktemp("rotations") / "network")
    yield running
    running.stop()


def decide(network: RunningNetwork, kind: str, document: Path) -> None:
    """Two of the three organisations agree."""
    proposed = network.done("governance", "propose", kind, document.read_text(), "--json").document
    network.done("governance", "approve", proposed["id"], "--as", "south/admin")


def test_a_root_and_an_issuing_authority_are_replaced_while_all_runs(own: RunningNetwork) -> None:
    """The new root is decided on, certifies members and their connections, and the old one certifies nothing more;
    who was registered before stays."""
    north, admin = (own.directory / "organisations" / "north" / part for part in ("", "identities/admin"))
    own.done("identity", "enroll", "early", "--role", "operator", "--register")
    (north / "ca" / "root" / "key.pem").rename(north / "offline.pem")  # as the guide advises; it is not needed
    written = done("org", "root", north, "--json").document
    decide(own, "add_root", Path(written["add_root"]))
    done("org", "issuing", north)
    before = load_tls(admin).certificate
    done("identity", "rotate-tls", admin, "--org", north)
    assert read_pem(load_tls(admin).certificate, 2)[1].certificate != read_pem(before, 2)[1].certificate
    own.done("identity", "enroll", "late", "--role", "operator", "--register")

    old = (north / "ca" / "issuing", north / "ca" / "new", north / "ca" / "old-issuing")
    done("identity", "new", own.directory / "stale", "--organisation", "north", "--role", "operator", "--no-tls")
    decide(own, "retire_root", Path(written["retire_root"]))
    old[0].rename(old[1])
    old[2].rename(old[0])
    chain = own.directory / "stale.pem"
    done("identity", "sign", own.directory / "stale" / "request.pem", "--org", north, "-o", chain)
    refused = own.run("identity", "register", chain)
    assert "error CERTIFICATE_INVALID" in refused.err
    named = {one["id"]: one["status"] for one in own.read("identity", "list", "--organisation", "north")["identities"]}
    assert set(named.values()) == {"active"}


def test_a_member_gets_a_tls_key_where_its_authority_is_elsewhere(own: RunningNetwork, tmp_path: Path) -> None:
    """Asked for, certified elsewhere, accepted, taken: and its next connection is made with it."""
    south = own.directory / "organisations" / "south"
    admin, mine = south / "identities" / "admin", tmp_path / "admin"
    mine.mkdir(mode=0o700)
    for file in admin.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
        (mine / file.name).chmod(0o600)
    before = load_tls(mine)
    told = done("identity", "rotate-tls", mine, "--json").document
    assert told["rotated"] is False
    own.done("block", "show", "latest", "--identity", mine)
    chain = tmp_path / "signed.pem"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (south / "ca").rename(elsewhere / "ca")
    done("identity", "sign", told["request"], "--org", elsewhere, "-o", chain)
    (elsewhere / "ca").rename(south / "ca")
    done("identity", "accept", mine, chain)
    assert done("identity", "rotate-tls", mine, "--json").document["rotated"] is True
    after = load_tls(mine)
    assert after.key != before.key
    assert after.certificate != before.certificate
    own.done("block", "show", "latest", "--identity", mine)
    again = done("identity", "csr", mine, "--tls", "--json").document
    assert Path(again["request"]) == mine / "tls-request.pem"


def test_what_has_no_tls_certificate_has_none_to_renew(own: RunningNetwork, tmp_path: Path) -> None:
    """A validator's signing folder is none; the refusal is one line."""
    ended = command("identity", "rotate-tls", own.home / "validator")
    assert (ended.code, "error CERTIFICATE_INVALID" in ended.err) == (2, True)
