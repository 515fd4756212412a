"""The tests' broker itself: who has no password does not get in, and what it holds survives SIGKILL."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ledgernode.identity.organisation import create_organisation, identity_directory, new_identity, read_root
from ledgernode.identity.records import Role
from ledgernode.identity.tls import write_roots
from tests.cli.command_line import done
from tests.conditions import until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    now_ms = time.time_ns() // 1_000_000
    create_organisation(tmp_path / "north", "north", now_ms=now_ms)
    new_identity(tmp_path / "north", "broker", Role.GATEWAY, now_ms=now_ms, tls_names=("localhost",))
    identity = identity_directory(tmp_path / "north", "broker")
    write_roots(identity, [read_root(tmp_path / "north")[1]])
    with Mosquitto(tmp_path / "broker", identity, {"someone": "a password"}, autosave=1) as running:
        yield running


def session(broker: Mosquitto, password: str, check: Callable[[Client], Any], *, name: str = "one") -> Any:
    """What the check gives of a connected client."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    client.username_pw_set("someone", password)
    client.tls_set_context(broker.tls())
    client.user_data_set([])
    client.on_connect = lambda _client, seen, _flags, reason, _properties: seen.append(str(reason))
    client.on_message = lambda _client, seen, message: seen.append(message.payload)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        return check(client)
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_password_opens_and_nothing_else_does(broker: Mosquitto) -> None:
    def seen(client: Client) -> Any:
        return until(lambda: list(client.user_data_get()))

    assert session(broker, "a password", seen) == ["Success"]
    assert session(broker, "another", seen) == ["Not authorized"]


def test_a_new_tls_key_is_shown_after_a_hangup(broker: Mosquitto, tmp_path: Path) -> None:
    """`identity rotate-tls`, SIGHUP: the next connection sees the new certificate, and the broker never stopped."""
    north, place = tmp_path / "north", (broker.host, broker.port)
    before = ssl.get_server_certificate(place)
    done("identity", "rotate-tls", identity_directory(north, "broker"), "--org", north)
    broker.reload()
    until(lambda: ssl.get_server_certificate(place) != before)
    assert session(broker, "a password", lambda client: until(client.is_connected))


def test_what_waits_for_someone_survives_sigkill(broker: Mosquitto) -> None:
    def subscribe(client: Client) -> None:
        until(client.is_connected)
        client.subscribe("news", 1)
        until((broker.directory / "mosquitto.db").exists)

    def publish(client: Client) -> None:
        until(client.is_connected)
        before = (broker.directory / "mosquitto.db").stat().st_mtime_ns
        client.publish("news", b"good", 1).wait_for_publish(10)
        until(lambda: (broker.directory / "mosquitto.db").stat().st_mtime_ns > before)

    session(broker, "a password", subscribe)
    session(broker, "a password", publish, name="another")
    broker.kill()
    broker.start()
    heard = session(broker, "a password", lambda client: until(lambda: client.user_data_get()[1:]))
    assert heard == [b"good"]
