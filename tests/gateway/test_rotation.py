"""TLS files that are replaced while a gateway runs: taken when they are whole, and not before."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from gateway.mqtt.client import BrokerClient
from ledgernode.errors import BadCertificate
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.identity_files import finish_rotation, new_request
from ledgernode.identity.organisation import (
    create_organisation,
    identity_directory,
    new_identity,
    read_root,
    sign_request,
)
from ledgernode.identity.records import Role
from ledgernode.identity.renewal import Renewal, require_pair
from ledgernode.identity.secret_file import create_secret
from ledgernode.identity.tls import TlsFiles, Trust, load_tls, write_roots
from tests.conditions import eventually
from tests.gateway.mqtt.running import GATEWAYS, LEDGER, access, broker_setting, users
from tests.gateway.running import GatewayProcess, gateway_identity
from tests.mosquitto import Mosquitto
from tests.running import NodeProcess, now_ms

NAMES = ("localhost", "127.0.0.1")


class Renewing:
    """A gateway's identity, whose TLS key and certificate are renewed step by step."""

    def __init__(self, home: Path) -> None:
        self.organisation = home
        create_organisation(home, "north", now_ms=now_ms())
        new_identity(home, "gateway-1", Role.GATEWAY, now_ms=now_ms(), tls_names=NAMES)
        self.folder = identity_directory(home, "gateway-1")
        write_roots(self.folder, [read_root(home)[1]])
        self.trust = Trust(self.read())
        self.told = 0
        self.renewal = Renewal(self.read, self.trust, 10, self._renewed)

    def read(self) -> TlsFiles:
        return load_tls(self.folder)

    def _renewed(self) -> None:
        self.told += 1


@pytest.fixture
def renewing(tmp_path: Path) -> Renewing:
    return Renewing(tmp_path / "north")


def renew(organisation: Path, folder: Path) -> None:
    """Another key and certificate in the place of those in use."""
    named = {"organisation": "north", "role": Role.GATEWAY, "name": folder.name, "purpose": Purpose.TLS}
    request = new_request(folder, rotation=True, **named)  # type: ignore[arg-type]
    sign_request(organisation, request, now_ms=now_ms(), tls_names=NAMES)
    finish_rotation(folder, Purpose.TLS)


def test_a_renewed_certificate_is_taken_once(renewing: Renewing) -> None:
    before = renewing.trust.files
    renewing.renewal.look()
    assert (renewing.trust.files, renewing.told) == (before, 0)
    renew(renewing.organisation, renewing.folder)
    renewing.renewal.look()
    renewing.renewal.look()
    assert renewing.trust.files == renewing.read() != before
    assert renewing.told == 1


def test_roots_that_join_are_trusted_and_those_that_leave_are_not(renewing: Renewing, tmp_path: Path) -> None:
    create_organisation(tmp_path / "south", "south", now_ms=now_ms())
    south, north = read_root(tmp_path / "south")[1], read_root(renewing.organisation)[1]
    for roots in ([north, south], [south], [north]):
        write_roots(renewing.folder, roots)
        renewing.renewal.look()
        assert renewing.trust.roots == tuple(roots)


@pytest.mark.parametrize("broken", ["key of another", "no certificate", "open key", "no roots", "garbage"])
def test_what_is_not_whole_changes_nothing_until_it_is(renewing: Renewing, broken: str) -> None:
    """Halfway through a renewal, or by a mistake: what served before serves on."""
    before = renewing.trust.files
    key, certificate = (renewing.folder / f"tls-{name}.pem" for name in ("key", "certificate"))
    kept = {path: path.read_bytes() for path in (key, certificate)}
    match broken:
        case "key of another":
            renew(renewing.organisation, renewing.folder)
            certificate.write_bytes(kept[certificate])
        case "no certificate":
            certificate.unlink()
        case "open key":
            key.chmod(0o644)
        case "no roots":
            write_roots(renewing.folder, [])
        case _:
            certificate.write_text("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    renewing.renewal.look()
    assert (renewing.trust.files, renewing.told) == (before, 0)
    if broken == "key of another":
        with pytest.raises(BadCertificate):
            require_pair(renewing.read())
        key.unlink()
        create_secret(key, kept[key])
        renewing.renewal.look()
        assert renewing.trust.files == before


@pytest.mark.slow
async def test_a_running_gateway_takes_renewed_files_by_every_way(node: NodeProcess, tmp_path: Path) -> None:
    """Its gRPC and HTTP show the new certificate; its broker gets a certificate of another authority and another
    password, and it comes back there."""
    folder = gateway_identity(node.network, "renewed")
    organisation = folder.parent.parent
    brokers = gateway_identity(node.network, "renewed-broker")
    roots = tmp_path / "roots.pem"
    with Mosquitto(tmp_path / "broker", brokers, users(["M-0"])) as broker:
        setting = broker_setting(broker, tmp_path / "gateway", roots_file=str(roots))
        roots.write_bytes((brokers / "roots.pem").read_bytes())
        limits = {"tls_look_ms": 100, "broker_pause_limit_ms": 500}
        nodes = [node.endpoint]
        http = ("--http", "127.0.0.1:0")
        with GatewayProcess(
            node.network, nodes, tmp_path / "gateway", folder, arguments=http, limits=limits, broker=setting
        ) as gateway:
            ports = (gateway.serving["port"], gateway.serving["http_port"])
            before = {ssl.get_server_certificate(("127.0.0.1", port)) for port in ports}
            assert len(before) == 1
            renew(organisation, folder)
            new = ssl.get_server_certificate
            await eventually(lambda: {new(("127.0.0.1", port)) for port in ports}.isdisjoint(before))

            other = tmp_path / "other"
            create_organisation(other, "other", now_ms=now_ms())
            new_identity(other, "broker", Role.GATEWAY, now_ms=now_ms(), tls_names=NAMES)
            write_roots(identity_directory(other, "broker"), [read_root(other)[1]])
            for name in ("tls-key.pem", "tls-certificate.pem", "roots.pem"):
                (brokers / name).write_bytes((identity_directory(other, "broker") / name).read_bytes())
            broker.kill()
            broker.enrolled_again(GATEWAYS[0], "another")
            broker.start()
            roots.write_bytes((brokers / "roots.pem").read_bytes())
            (tmp_path / "gateway" / "broker-password").write_bytes(b"another")
            async with BrokerClient(access(broker, "north/M-0"), LEDGER, "north/M-0", timeout_ms=30_000) as device:
                assert (await device.connect()).ledger == LEDGER
