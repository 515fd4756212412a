"""What a meter's addresses mean, and as whom it comes to a broker."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from devices.bearers import BrokerAt, bearers, read_broker
from gateway.client import GatewayClient
from gateway.mqtt.client import BrokerClient
from ledgernode.errors import BadRequest, KeyFileUnsafe
from ledgernode.identity.organisation import create_organisation, identity_directory, new_identity, read_root
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret
from ledgernode.identity.tls import write_roots
from tests.running import now_ms

BROKER = "mqtts://broker.example:8884/market"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An identity's folder, as `meter run` finds it."""
    organisation = tmp_path / "north"
    create_organisation(organisation, "north", now_ms=now_ms())
    new_identity(organisation, "M-1", Role.METER, now_ms=now_ms())
    found = identity_directory(organisation, "M-1")
    write_roots(found, [read_root(organisation)[1]])
    return found


def opened(address: str, home: Path) -> BrokerClient:
    [bearer] = bearers([address], home)
    line = bearer.open()
    assert bearer.name == address
    assert isinstance(line, BrokerClient)
    return line


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (BROKER, BrokerAt("broker.example", 8884, "market", tls=True)),
        ("mqtts://broker.example/market", BrokerAt("broker.example", 8883, "market", tls=True)),
        ("mqtt://127.0.0.1:1884/market", BrokerAt("127.0.0.1", 1884, "market", tls=False)),
        ("mqtts://[::1]:1/m", BrokerAt("::1", 1, "m", tls=True)),
        (
            "mqtts://south%2FM-1@b/m?version=3.1.1&password=secret&roots=roots/b.pem",
            BrokerAt("b", 8883, "m", True, "south/M-1", "3.1.1", "secret", "roots/b.pem"),
        ),
    ],
)
def test_a_brokers_address_is_a_url(address: str, found: BrokerAt) -> None:
    assert read_broker(address) == found


@pytest.mark.parametrize(
    "address",
    [
        "https://broker.example/market",
        "mqtts://broker.example",
        "mqtts://broker.example/market/more",
        "mqtts:///market",
        "mqtts://broker.example:99999/market",
        "mqtts://broker.example:x/market",
        "mqtt://broker.example/market",
        "mqtts://user:secret@broker.example/market",
        "mqtts://broker.example/market?version=4",
        "mqtts://broker.example/market?colour=blue",
        "mqtts://broker.example/market?version",
        "mqtts://broker.example/market#part",
    ],
)
def test_what_is_none_is_refused_before_the_meter_begins(address: str, home: Path) -> None:
    """A broker elsewhere without TLS, too, and a password that anybody can read in a list of processes."""
    with pytest.raises(BadRequest):
        bearers([address], home)


async def test_an_address_without_a_scheme_is_a_gateways(home: Path) -> None:
    [bearer] = bearers(["near.example:7060"], home)
    line = bearer.open()
    assert isinstance(line, GatewayClient)
    await line.close()


def test_a_meter_comes_under_its_own_name_with_its_password(home: Path) -> None:
    """And reads it anew each time."""
    create_secret(home / "broker-password", b"first\n")
    line = opened(BROKER, home)
    access = line._access
    assert (access.host, access.port, access.version) == ("broker.example", 8884, "5")
    assert (str(line.device), access.client, access.username, access.password) == (
        ("north/M-1", "north-M-1", "north/M-1", "first")
    )
    assert access.tls is not None
    assert access.tls.verify_mode is ssl.CERT_REQUIRED
    assert access.tls.check_hostname
    (home / "broker-password").write_bytes(b"second")
    assert opened(f"{BROKER}?version=3.1.1", home)._access.password == "second"
    assert opened(BROKER.replace("//", "//meters@"), home)._access.username == "meters"


def test_without_a_password_it_shows_its_certificate(home: Path) -> None:
    access = opened(BROKER, home)._access
    assert (access.username, access.password) == ("", "")


def test_a_password_is_not_missing_where_one_is_wanted_and_nobody_elses_to_read(home: Path) -> None:
    """Each time the bearer's turn comes: the next one is tried meanwhile."""
    for address in ("mqtt://localhost/market", BROKER.replace("//", "//meters@"), f"{BROKER}?password=away"):
        [bearer] = bearers([address], home)
        with pytest.raises((BadRequest, KeyFileUnsafe)):
            bearer.open()
    (home / "broker-password").write_text("open to all")
    (home / "broker-password").chmod(0o644)
    [bearer] = bearers([BROKER], home)
    with pytest.raises(KeyFileUnsafe):
        bearer.open()
