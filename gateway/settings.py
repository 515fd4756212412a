"""What an operator sets: `gateway.json` in the gateway's directory. All of it has a default.

    {
      "limits": {"device_entries": 100000},
      "buses": {"twelve volts": ["<device id>", "<device id>"]},
      "units": {"node/sensor/total/state": "kWh"},
      "edge": [{"channel": "tele/plug", "meter": "north:plug", "identity": "edge/plug"}],
      "broker": {"address": "broker.example:8883", "username": "gateway-1", "password_file": "broker-password",
                 "formats": ["tele/+/SENSOR"]},
      "read_model": "model.db",
      "console": {"origin": "https://console.north.example"},
      "observe": "127.0.0.1:9464"
    }

An edge device's identity is a folder with a `key.pem`, registered on the ledger with the role gateway; its meter is
registered there without a key. The read model is a file in this directory, or a postgresql:// URL (docs/read-model.md).
The console is served by HTTP (`--http`) at its origin, which is what browsers show of the address, with no path.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.edge.signer import EdgeDevice
from gateway.limits import Limits
from ledgernode.client import Signer
from ledgernode.config import TRACE_ONE_IN
from ledgernode.errors import BadRequest
from ledgernode.identity.key_file import load_key
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.wire.types import ChainId
from ledgernode.wire.unreadable import UNREADABLE

FILE = "gateway.json"
_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")


class EdgeSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that cannot sign: its channel (as its format names it), its meter, who signs, and how often."""

    channel: str
    meter: str
    identity: str
    every_ms: int = 60_000


class BrokerSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where devices' MQTT broker is, and how the gateway comes to it."""

    address: str
    """HOST:PORT"""
    username: str = ""
    """Empty: the gateway shows its TLS certificate instead."""
    password_file: str = ""
    """With the username's password; nobody else may read it. As seen from the gateway's directory."""
    tls: bool = True
    """Without it only a broker on this machine is used."""
    roots_file: str = ""
    """Under which the broker's certificate stands; empty: the ledger's own organisations."""
    client: str = ""
    """The session's name at the broker; empty: the gateway's own."""
    version: str = "5"
    """Or 3.1.1, for a broker that knows no more."""
    share: str = ""
    """Gateways of one name share what devices send, where the broker can (MQTT 5); else each takes all of it."""
    formats: tuple[str, ...] = ()
    """Topics of devices that cannot sign, as filters; each is heard by the one gateway that signs for it."""
    concentrators: tuple[str, ...] = ()
    """organisation/name of those that carry what others have signed."""
    trades: bool = True
    """Is the line of each trade published from here?"""
    trades_after_ms: int = 0
    """A second gateway gives the first so long to publish it, and publishes only what it has not heard."""


class ConsoleSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pages for people, and what they ask."""

    origin: str
    """https://HOST or https://HOST:PORT, as browsers know it; http:// on this machine alone."""
    database: str = ""
    """Of its read model; empty: that of `read_model`, or model.db."""
    signer: str = ""
    """A folder with the key.pem of the identity that asks contracts; empty: the gateway's own identity."""
    files: str = ""
    """A folder with built pages; empty: those that came with this software."""

    staff: str = ""
    """A file beside this one, by which staff enter through their provider (`gateway.sessions.staff`); empty: none."""

    names: str = ""
    """A file beside this one with names of people (`gateway.naming`); empty: the ledger has none."""

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise ValueError("an origin is https://HOST or https://HOST:PORT; http:// for localhost alone")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limits: Limits = Limits()
    buses: dict[str, tuple[str, ...]] = {}
    units: dict[str, str] = {}
    edge: tuple[EdgeSetting, ...] = ()
    broker: BrokerSetting | None = None
    read_model: str = ""
    """The database that the ledger is followed into; empty: none."""
    console: ConsoleSetting | None = None
    observe: str = ""
    """Where health checks and metrics are served to its operator, HOST:PORT; empty: nowhere."""
    trace: str = ""
    """A collector of traces (OTLP over HTTP), http://HOST:PORT; empty: none. See `trace_one_in` of a node."""
    trace_one_in: Annotated[int, msgspec.Meta(ge=1)] = TRACE_ONE_IN
    log_level: str = "info"
    key_passphrase_file: str = ""
    """Opens the keys of its identity and of edge devices where they are encrypted; as seen from this directory."""

    @property
    def model_database(self) -> str:
        """Where the read model is, '' if there is none."""
        own = self.console.database if self.console is not None else ""
        return own or self.read_model or ("model.db" if self.console is not None else "")


def read_settings(directory: Path) -> Settings:
    """The defaults where there is no file. Refuses unknown names and wrong types."""
    path = directory / FILE
    if not path.exists():
        return Settings()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except UNREADABLE as error:
        raise BadRequest(f"{path}: {error}") from error


def with_broker(settings: Settings, *, address: str | None, **given: str | None) -> Settings:
    """The same with what was given on the command line in its place."""
    changes = {name: value for name, value in (("address", address), *given.items()) if value}
    if not changes:
        return settings
    if settings.broker is None and address is None:
        if changes.keys() == {"client"}:
            return settings  # what we would be called there: manifests say it of every gateway
        raise BadRequest("there is no broker: name its address")
    broker = settings.broker or BrokerSetting(address or "")
    return msgspec.structs.replace(settings, broker=msgspec.structs.replace(broker, **changes))


def edge_devices(
    directory: Path, settings: Settings, chain_id: ChainId, unlock: Unlock = none_given
) -> list[EdgeDevice]:
    """With their keys. Refuses a channel, meter or identity that is named twice, and keys open to others."""
    for what in ("channel", "meter", "identity"):
        named = [getattr(one, what) for one in settings.edge]
        if len(set(named)) != len(named):
            raise BadRequest(f"{FILE}: every edge device has a {what} of its own")
    return [
        EdgeDevice(
            one.channel,
            one.meter,
            Signer(load_key(directory / one.identity / "key.pem", unlock), chain_id=chain_id),
            one.every_ms,
        )
        for one in settings.edge
    ]
