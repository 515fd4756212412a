"""A node whose keys, certificates and genesis are mounted: its home is made of links, and it runs."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.founding import LOCAL_NAMES
from ledgernode.identity.home import NodeConfig, tls_directory, validator_directory
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.organisation import sign_request
from ledgernode.identity.records import Role
from ledgernode.identity.tls import ROOTS, load_tls, split_roots
from ledgernode.local.node import LocalNode
from tests.cli.command_line import command, done
from tests.conditions import until
from tests.ports import fresh_port
from tests.running import now_ms


class Mounts:
    """What a cluster mounts for one node of a founded network."""

    def __init__(self, folder: Path) -> None:
        self.network = folder / "network"
        done("network", "init", self.network, "--base-port", fresh_port(), "--organisations", "north,south")
        self.founded = self.network / "nodes" / "north-1"
        self.keys, self.ledger, self.home = folder / "keys", folder / "ledger", folder / "home"
        for made in (self.keys, self.ledger):
            made.mkdir()
        shutil.copy(self.network / "genesis.json", self.ledger)
        for name in ("north", "south"):
            admin = self.network / "organisations" / name / "identities" / "admin"
            into = self.ledger / f"{name}.acceptance.json"
            done("genesis", "accept", self.network / "genesis.json", "--identity", admin, "-o", into)
        for purpose in ("validator", "tls"):
            for file in ("key.pem", "certificate.pem"):
                self.mount(self.founded / purpose / file, f"node-0.{purpose}-{file}")

    def mount(self, file: Path, name: str) -> None:
        shutil.copy(file, self.keys / name)

    def renew_tls(self) -> None:
        """Another TLS key and certificate, each of which takes the place of the old one in one rename."""
        folder, organisation = self.founded / "next", self.network / "organisations" / "north"
        member = {"organisation": "north", "role": Role.VALIDATOR, "name": "validator-1", "purpose": Purpose.TLS}
        request = new_request(folder, prefix="", **member)  # type: ignore[arg-type]
        place_certificate(folder, sign_request(organisation, request, now_ms=now_ms(), tls_names=LOCAL_NAMES))
        for file in ("key.pem", "certificate.pem"):
            (folder / file).replace(self.keys / f"node-0.tls-{file}")

    @property
    def command(self) -> tuple[object, ...]:
        where = ("--keys", self.keys, "--prefix", "node-0.", "--ledger", self.ledger)
        return ("node", "prepare", self.home, *where, "--listen", NodeConfig.read(self.founded).listen)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    return Mounts(tmp_path)


def contents(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(home.rglob("*"))
        if not path.is_dir()
    }


def test_a_home_is_made_of_links_and_changes_nothing_twice(mounts: Mounts) -> None:
    """Who it is comes from the certificate, what it serves from the genesis; no key comes to lie in the home."""
    prepared = done(*mounts.command, "--json").document
    assert prepared == {"home": str(mounts.home), "organisation": "north", "ledgers": ["market"]}
    config = NodeConfig.read(mounts.home)
    assert (config.organisation, config.validator, config.ledgers) == ("north", "validator-1", ("market",))
    for folder, purpose in ((validator_directory(mounts.home), "validator"), (tls_directory(mounts.home), "tls")):
        assert (folder / "key.pem").readlink() == mounts.keys / f"node-0.{purpose}-key.pem"
        assert (folder / "certificate.pem").readlink() == mounts.keys / f"node-0.{purpose}-certificate.pem"
    before = contents(mounts.home)
    done(*mounts.command)
    assert contents(mounts.home) == before


def test_settings_and_roots_that_are_mounted_are_taken(mounts: Mounts, tmp_path: Path) -> None:
    """Further fields of node.json by a file, further roots beside the keys; both again at each start."""
    done("org", "init", tmp_path / "east", "east")
    root = tmp_path / "east" / "ca" / "root" / "certificate.pem"
    (mounts.keys / ROOTS).write_text(root.read_text())
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"snapshots_kept": 5, "log_level": "debug"}))
    done(*mounts.command, "--settings", settings)
    config = NodeConfig.read(mounts.home)
    assert (config.snapshots_kept, config.log_level) == (5, "debug")
    roots = load_tls(tls_directory(mounts.home)).roots
    assert len(roots) == 3
    assert split_roots(root.read_text())[0] in roots
    settings.write_text('{"organisation": "south"}')
    assert command(*mounts.command, "--settings", settings, "--json").error["code"] == "REQUEST_INVALID"
    settings.write_text('{"snapshots": 5}')
    assert command(*mounts.command, "--settings", settings, "--json").error["code"] == "REQUEST_INVALID"


def test_the_home_of_another_node_is_refused(mounts: Mounts) -> None:
    """A volume that came to the wrong node would make two nodes of one key, or one of two."""
    done(*mounts.command)
    NodeConfig("north", "validator-2", "127.0.0.1:1", ("market",)).write(mounts.home)
    assert command(*mounts.command, "--json").error["code"] == "CONFLICT"


def test_a_home_with_keys_of_its_own_is_left_alone(mounts: Mounts) -> None:
    """Links never take a key's place."""
    shutil.copytree(mounts.founded, mounts.home)
    before = contents(mounts.home)
    assert command(*mounts.command, "--json").error["code"] == "CONFLICT"
    assert contents(mounts.home) == before


def test_a_certificate_that_is_no_validators_is_refused(mounts: Mounts) -> None:
    """As when the wrong secret is mounted."""
    admin = mounts.network / "organisations" / "north" / "identities" / "admin"
    mounts.mount(admin / "certificate.pem", "node-0.validator-certificate.pem")
    assert command(*mounts.command, "--json").error["code"] == "REQUEST_INVALID"


def test_a_genesis_that_a_founder_has_not_accepted_is_refused(mounts: Mounts) -> None:
    (mounts.ledger / "south.acceptance.json").unlink()
    assert command(*mounts.command).code != 0


@pytest.mark.slow
def test_a_prepared_node_runs_and_takes_renewed_tls_files(mounts: Mounts) -> None:
    """What is mounted anew is shown from the next handshake on; the node goes on serving."""
    done(*mounts.command)
    node = LocalNode(mounts.home)
    try:
        node.wait_until_serving()
        admin = ("--as", "north/admin", "--network", mounts.network)
        assert done("node", "status", *admin, "--json").document["nodes"][0]["ledgers"][0]["height"] == 0
        host, _, port = NodeConfig.read(mounts.home).listen.rpartition(":")
        before = ssl.get_server_certificate((host, int(port)))
        mounts.renew_tls()
        until(lambda: ssl.get_server_certificate((host, int(port))) != before, limit_s=45)
        assert done("node", "status", *admin, "--json").document["nodes"][0]["ledgers"][0]["height"] == 0
    finally:
        assert node.stop() == 0
