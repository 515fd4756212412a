"""A broker, a gateway behind it, and devices at it, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from gateway.mqtt.client import BrokerClient
from gateway.mqtt.connection import Access
from ledgernode.identity.secret_file import create_secret
from tests.mosquitto import Mosquitto, RunningMosquitto
from tests.running import LEDGER, Person

GATEWAYS = ("gateway-1", "gateway-2")
BRANCH = f"ledgernode/{LEDGER}"


def password(user: str) -> str:
    return f"password of {user}"


def access(broker: RunningMosquitto, user: str, **changes: Any) -> Access:
    host, port = broker.host, broker.port
    found = Access(
        host, port, client=f"{user}-session", tls=broker.tls(), username=user, password=password(user), session_s=60
    )
    return msgspec.structs.replace(found, **changes)


def device(broker: Mosquitto, name: str, **changes: Any) -> BrokerClient:
    """Of organisation north, as the broker knows it."""
    return BrokerClient(access(broker, f"north/{name}", **changes), LEDGER, f"north/{name}")


def meter(broker: Mosquitto, person: Person, **changes: Any) -> BrokerClient:
    return device(broker, person.directory.name, **changes)


def broker_setting(broker: Mosquitto, directory: Path, user: str = "gateway-1", **more: Any) -> dict[str, Any]:
    """What a gateway in this directory is set to, to come to this broker."""
    directory.mkdir(exist_ok=True, parents=True)
    path = directory / "broker-password"
    if not path.exists():
        create_secret(path, password(user).encode())
    return {"address": broker.endpoint, "username": user, "password_file": path.name, **more}


def users(devices: Iterable[str]) -> dict[str, str]:
    return {name: password(name) for name in (*GATEWAYS, *(f"north/{one}" for one in devices))}
