"""An organisation, its admin and its validator with keys in a token, by the commands that docs/keys.md names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgernode.errors import HsmUnavailable
from ledgernode.identity.identity_files import finish_rotation
from ledgernode.identity.key_file import load_key
from ledgernode.local.node import LocalNode
from ledgernode.wire.types import identity_id
from tests.cli.command_line import done
from tests.ports import fresh_port
from tests.softhsm import PIN, SoftHsm

pytestmark = pytest.mark.slow


class InTokens:
    """Everything of one organisation, founded by commands; its node runs."""

    def __init__(self, directory: Path, softhsm: SoftHsm) -> None:
        self.softhsm, self.directory = softhsm, directory
        self.authority, self.admin, self.home = (directory / name for name in ("authority", "admin", "node"))
        self.written = 0
        self.endpoint = f"127.0.0.1:{fresh_port()}"
        softhsm.token("north")
        token = ("--root-key", self.uri("root"), "--issuing-key", self.uri("issuing"))
        done("org", "init", self.authority, "north", *token)
        whose = ("--organisation", "north", "--role", "admin", "--name", "admin")
        done("identity", "new", self.admin, *whose, "--key", self.uri("admin"))
        done("node", "new", self.home, "--organisation", "north", "--listen", self.endpoint, "--key", self.uri("seat"))
        for folder, requests in (
            (self.admin, (self.admin / "request.pem", self.admin / "tls-request.pem")),
            (self.home / "validator", (self.home / "validator" / "request.pem",)),
            (self.home / "tls", (self.home / "tls" / "request.pem",)),
        ):
            for request in requests:
                self.certify(folder, request, tls=folder.name == "tls")
        done("org", "bundle", self.authority, "--validator", f"validator-1={self.endpoint}")
        self.genesis = directory / "genesis.json"
        bundle = self.authority / "bundle.json"
        done("genesis", "assemble", bundle, "--name", "market", "--engine", "solo", "-o", self.genesis)
        accepted = directory / "north.acceptance.json"
        done("genesis", "accept", self.genesis, "--identity", self.admin, "-o", accepted)
        done("node", "join", self.home, self.genesis, "--acceptance", accepted)
        self.start()

    def start(self) -> None:
        self.node = LocalNode(self.home)
        self.node.wait_until_serving()

    def uri(self, key: str) -> str:
        return self.softhsm.uri("north", key)

    def certify(self, folder: Path, request: Path, *, tls: bool = False) -> Path:
        chain = request.with_suffix(".chain")
        names = ("--tls-name", "127.0.0.1") if tls else ()
        done("identity", "sign", request, "--org", self.authority, *names, "-o", chain)
        done("identity", "accept", folder, chain)
        return chain

    def write(self) -> None:
        """One more transaction, by the admin's key in the token."""
        self.written += 1
        overlap = json.dumps({"rotation_overlap_ms": 3_600_000 + self.written})
        self.run("governance", "propose", "parameters", overlap)

    def height(self) -> int:
        return int(str(self.run("block", "show", "latest")["height"]))

    def run(self, *arguments: object) -> dict[str, object]:
        at = ("--identity", self.admin, "--genesis", self.genesis, "--endpoint", self.endpoint)
        document: dict[str, object] = done(*arguments, *at, "--json").document
        return document


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InTokens]:
    with SoftHsm(tmp_path_factory.mktemp("softhsm")) as softhsm:
        founded = InTokens(tmp_path_factory.mktemp("north"), softhsm)
        yield founded
        founded.node.stop()


def test_a_validator_signs_blocks_with_a_key_in_a_token(north: InTokens) -> None:
    """A block holds a transaction that one key in the token signed, under a certificate that another did; the chain
    verifies; and no file of the organisation holds a private key but those that open connections."""
    clerk = north.directory / "clerk"
    done(
        "identity",
        "new",
        clerk,
        "--organisation",
        "north",
        "--role",
        "operator",
        "--no-tls",
        "--key",
        north.uri("clerk"),
    )
    north.run("identity", "register", north.certify(clerk, clerk / "request.pem"))
    assert north.height() > 0
    north.node.stop()
    done("verify", north.home)
    north.start()
    plain = {path for path in north.directory.rglob("*key.pem") if b"PRIVATE KEY" in path.read_bytes()}
    assert plain == {north.admin / "tls-key.pem", north.home / "tls" / "key.pem"}
    said = north.node.log.read_text()
    assert said
    assert PIN not in said


def test_a_validator_moves_to_a_next_key_in_its_token(north: InTokens) -> None:
    """By its admin: a request for the next key, a certificate, `rekey`; and it signs on after a restart."""
    seat = north.home / "validator"
    done("identity", "csr", seat, "--next", "--key", north.uri("seat-2"))
    chain = north.certify(seat, seat / "next-request.pem")
    before = identity_id(load_key(seat / "key.pem").public_key).hex()
    north.run("governance", "propose", "parameters", '{"set_change_window": 1}')
    north.run("identity", "rekey", before, chain, "--reason", "a new key")
    north.write()  # the last block of the epoch
    north.node.stop()
    finish_rotation(seat)
    north.start()
    height = north.height()
    north.write()
    assert north.height() > height


def test_without_its_token_a_validator_does_not_start(north: InTokens) -> None:
    """It says HSM_UNAVAILABLE, and by its exit code that another try may help; with the token it starts again."""
    north.node.stop()
    away = north.softhsm.directory / "away"
    north.softhsm.tokens.rename(away)
    ended = subprocess.run(
        [sys.executable, "-m", "ledgernode.cli", "node", "run", north.home],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    away.rename(north.softhsm.tokens)
    assert (ended.returncode, "error HSM_UNAVAILABLE" in ended.stderr) == (HsmUnavailable.exit_code, True), ended.stderr
    north.start()
