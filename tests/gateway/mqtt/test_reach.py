"""How a gateway comes to its broker: over TLS unless it is on this machine, with a password that nobody else reads."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from gateway.limits import Limits
from gateway.mqtt.connection import Access
from gateway.mqtt.reach import broker_access, is_loopback, read_address
from gateway.settings import BrokerSetting, Settings, with_broker
from ledgernode.errors import BadRequest, KeyFileUnsafe, LedgerError
from ledgernode.identity.organisation import create_organisation, identity_directory, new_identity, read_root
from ledgernode.identity.records import Role
from ledgernode.identity.secret_file import create_secret
from ledgernode.identity.tls import TlsFiles, load_tls, write_roots
from tests.running import now_ms


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    home = tmp_path_factory.mktemp("north") / "north"
    create_organisation(home, "north", now_ms=now_ms())
    new_identity(home, "gateway-1", Role.GATEWAY, now_ms=now_ms(), tls_names=("localhost",))
    write_roots(identity_directory(home, "gateway-1"), [read_root(home)[1]])
    return load_tls(identity_directory(home, "gateway-1"))


def reach(directory: Path, files: TlsFiles, **setting: object) -> Access:
    given = {"address": "broker.example:8883", "username": "gateway-1", "password_file": "password"} | setting
    return broker_access(BrokerSetting(**given), directory, files, Limits())  # type: ignore[arg-type]


def test_a_password_and_the_ledgers_roots(tmp_path: Path, files: TlsFiles) -> None:
    create_secret(tmp_path / "password", b"secret\n")
    access = reach(tmp_path, files)
    assert (access.host, access.port, access.password) == ("broker.example", 8883, "secret")
    assert access.client == "north-gateway-1", "two gateways have two sessions"
    assert access.tls is not None
    assert access.tls.verify_mode is ssl.CERT_REQUIRED
    assert access.tls.check_hostname
    assert "secret" not in repr(access)


def test_a_session_that_is_shared_ends_sooner(tmp_path: Path, files: TlsFiles) -> None:
    create_secret(tmp_path / "password", b"secret")
    limits = Limits()
    assert reach(tmp_path, files).session_s == limits.broker_session_s
    assert reach(tmp_path, files, share="gateways").session_s == limits.broker_shared_session_s


def test_without_a_username_the_certificate_is_shown(tmp_path: Path, files: TlsFiles) -> None:
    access = reach(tmp_path, files, username="")
    assert (access.username, access.password) == ("", "")


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"address": "broker.example"}, BadRequest),
        ({"address": "broker.example:0"}, BadRequest),
        ({"address": "broker.example:65536"}, BadRequest),
        ({"address": ":8883"}, BadRequest),
        ({"version": "3.1"}, BadRequest),
        ({"tls": False}, BadRequest),
        ({"tls": False, "address": "192.0.2.1:1883"}, BadRequest),
        ({"tls": False, "address": "localhost:1883", "username": ""}, BadRequest),
        ({"password_file": ""}, BadRequest),
        ({"password_file": "none"}, KeyFileUnsafe),
        ({"password_file": "loose"}, KeyFileUnsafe),
        ({"roots_file": "loose"}, LedgerError),
    ],
)
def test_what_is_not_safe_is_refused(
    tmp_path: Path, files: TlsFiles, setting: dict[str, object], error: type[LedgerError]
) -> None:
    create_secret(tmp_path / "password", b"secret")
    (tmp_path / "loose").write_text("secret")
    (tmp_path / "loose").chmod(0o644)
    with pytest.raises(error):
        reach(tmp_path, files, **setting)


def test_addresses_of_this_machine() -> None:
    assert [is_loopback(one) for one in ("localhost", "127.0.0.1", "127.9.9.9", "::1")] == [True] * 4
    assert [is_loopback(one) for one in ("0.0.0.0", "broker.example", "192.0.2.1", "")] == [False] * 4
    assert read_address("[::1]:1883") == ("::1", 1883)


def test_the_command_line_says_more_than_the_file() -> None:
    kept = Settings(broker=BrokerSetting("one:1", username="a", formats=("tele/#",)))
    assert with_broker(kept, address=None, username=None) == kept
    changed = with_broker(kept, address="two:2", username=None, password_file="p").broker
    assert changed == BrokerSetting("two:2", username="a", password_file="p", formats=("tele/#",))
    assert with_broker(Settings(), address="two:2").broker == BrokerSetting("two:2")
    assert with_broker(Settings(), address=None, client="pod-1") == Settings()
    with pytest.raises(BadRequest):
        with_broker(Settings(), address=None, username="a")
