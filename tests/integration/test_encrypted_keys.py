"""A node and a gateway whose keys are all encrypted: they start unattended, renew TLS as they run, and tell nobody."""

from __future__ import annotations

import base64
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from ledgernode.identity.founding import organisation_directory
from ledgernode.identity.home import NodeConfig, tls_directory, validator_directory
from ledgernode.identity.key_file import load_key, protect
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.passphrase import from_file, none_given, read_passphrase
from ledgernode.identity.records import Role
from tests.cli.command_line import done
from tests.conditions import until
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.running import NodeProcess, SoloNetwork, register

pytestmark = pytest.mark.slow

PASSPHRASE = "correct horse battery staple"


class Encrypted:
    """A network of one node and the identity of a gateway, with every key of theirs under one passphrase."""

    def __init__(self, directory: Path) -> None:
        self.network = SoloNetwork(directory / "network")
        self.gateway = gateway_identity(self.network)
        self.passphrase = directory / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)
        self.unlock = from_file(self.passphrase)
        home = self.network.home
        self.keys = [
            *(folder / "key.pem" for folder in (validator_directory(home), tls_directory(home))),
            *(self.gateway / name for name in ("key.pem", "tls-key.pem")),
        ]
        self.secrets = [secret for path in self.keys for secret in forms(path)]
        for path in self.keys:
            protect(path, none_given, read_passphrase(self.passphrase))
        msgspec.structs.replace(NodeConfig.read(home), key_passphrase_file=str(self.passphrase)).write(home)

    def renew(self, folder: Path) -> None:
        """Another TLS key in the place of the one in use, under the same passphrase."""
        organisation = organisation_directory(self.network.directory, "north")
        done("identity", "rotate-tls", folder, "--org", organisation, "--key-passphrase-file", self.passphrase)


def forms(path: Path) -> list[str]:
    """What a plain key looks like in a log: hexadecimal, a number, PEM."""
    key = load_key(path)
    assert isinstance(key, PrivateKey)
    number = key.to_cryptography().private_numbers().private_value
    der = key.to_cryptography().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return [f"{number:x}", str(number), base64.b64encode(der).decode()[:60]]


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Encrypted:
    return Encrypted(tmp_path_factory.mktemp("encrypted"))


@pytest.fixture(scope="module")
def node(encrypted: Encrypted) -> Iterator[NodeProcess]:
    with NodeProcess(encrypted.network) as running:
        yield running


def test_node_and_gateway_start_by_the_file_that_their_settings_name(
    node: NodeProcess, encrypted: Encrypted, tmp_path: Path
) -> None:
    """They serve and sign; TLS files are renewed under the passphrase while both run; no log has a secret."""
    with node.ledger() as ledger:
        anna = register(ledger, node.network, node.network.newcomer("north", "anna", Role.CUSTOMER))
        assert ledger.facts().height > 0
    settings = {"key_passphrase_file": str(encrypted.passphrase), "limits": {"tls_look_ms": 100}}
    http = ("--http", "127.0.0.1:0")
    with GatewayProcess(
        node.network, [node.endpoint], tmp_path / "gateway", encrypted.gateway, arguments=http, **settings
    ) as gateway:
        places = [("127.0.0.1", gateway.serving["port"]), ("127.0.0.1", gateway.serving["http_port"])]
        places.append(("127.0.0.1", int(node.endpoint.rpartition(":")[2])))
        before = {place: ssl.get_server_certificate(place) for place in places}
        encrypted.renew(encrypted.gateway)
        encrypted.renew(tls_directory(encrypted.network.home))
        until(lambda: all(ssl.get_server_certificate(place) != before[place] for place in places))
        with node.ledger(anna) as ledger:
            assert ledger.facts().height > 0
        assert gateway.terminate() == 0
    for log in (node.log, gateway.log):
        said = log.read_text()
        assert said
        assert not [secret for secret in (PASSPHRASE, *encrypted.secrets) if secret in said]


@pytest.mark.parametrize("text", ["", "another horse altogether"], ids=["none", "wrong"])
def test_a_node_that_cannot_open_its_keys_says_why_and_ends(encrypted: Encrypted, tmp_path: Path, text: str) -> None:
    """By the code of the error and its exit code, with nothing secret in what it writes."""
    home = tmp_path / "home"
    shutil.copytree(encrypted.network.home, home)
    wrong = tmp_path / "passphrase"
    wrong.write_text(text + "\n")
    wrong.chmod(0o600)
    named = str(wrong) if text else ""
    msgspec.structs.replace(NodeConfig.read(home), key_passphrase_file=named).write(home)
    ended = subprocess.run(
        [sys.executable, "-m", "ledgernode.cli", "node", "run", home],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    code = "PASSPHRASE_WRONG" if text else "PASSPHRASE_MISSING"
    assert (ended.returncode, f"error {code}" in ended.stderr) == (2, True), ended.stderr
    assert not [secret for secret in ("horse", *encrypted.secrets) if secret in ended.stderr + ended.stdout]
