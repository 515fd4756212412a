"""What an operator sets: `vending.json` in the vending service's directory. Only the utility has no default.

    {
      "utility": "north",
      "supply_group": "123457",
      "key_store": "keys.json",
      "gateways": [{"url": "https://gateway.example:8443", "name": "vending", "secret_file": "gateway.secret"}]
    }

`key_store` is a key store, or with `module` the socket of a process that holds one. `supply_group` is that of meters
whose setting on the ledger names none. Gateways tell meters their tokens; each has let this service in by a secret
(`ledgernode gateway device add … --service`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.http.post import Url, read_url
from gateway.http.signature import key_of
from gateway.limits import Limits
from ledgernode.errors import BadRequest
from ledgernode.identity.secret_file import read_secret
from ledgernode.wire.unreadable import UNREADABLE

FILE = "vending.json"


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every bound of a vending service, those of HTTP apart."""

    purchases: int = 1_000
    """Under way at a time."""
    answer_ms: int = 15_000
    """A partner waits so long for the end of a purchase."""
    again_ms: int = 1_000
    """What is in trouble is tried again after so long, then twice, up to the next."""
    slowest_rounds: int = 64
    deliveries: int = 32
    """Tokens on their way to gateways at a time."""
    courier_ms: int = 60_000
    """The longest pause before one of them is tried again."""
    gateway_ms: int = 5_000
    give_up_ms: int = 30 * 60_000
    """A gateway that does not take a token for so long is asked no more: the customer has the digits."""
    look_ms: int = 30_000
    """So often it is looked whether credits wait for their digits, beside being told."""


class GatewaySetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    name: str
    secret_file: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    utility: str
    supply_group: str = ""
    key_store: str = "keys.json"
    module: str = ""
    gateways: tuple[GatewaySetting, ...] = ()
    key_passphrase_file: str = ""
    """Opens the keys of its identity where they are encrypted; as seen from this directory."""
    bounds: Bounds = Bounds()
    limits: Limits = Limits()
    observe: str = ""
    """Where health checks and metrics are served to its operator, HOST:PORT; empty: nowhere."""


class GatewayAt(msgspec.Struct, frozen=True):
    """A gateway to be told tokens. Its printed form shows no key."""

    url: Url
    name: str
    key: bytes

    def __repr__(self) -> str:
        return f"GatewayAt({self.address})"

    @property
    def address(self) -> str:
        return f"{self.url.host}:{self.url.port}"


def read_settings(directory: Path) -> Settings:
    """Refuses unknown names and wrong types."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from error
    except UNREADABLE as error:
        raise BadRequest(f"{path}: {error}") from error


def gateways_of(directory: Path, settings: Settings) -> list[GatewayAt]:
    """With their keys. Refuses a secret that others can read."""
    return [
        GatewayAt(
            read_url(one.url.rstrip("/") + "/api/v1/commands"),
            one.name,
            key_of(read_secret(directory / one.secret_file).decode("ascii", "replace").strip()),
        )
        for one in settings.gateways
    ]
