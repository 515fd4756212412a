"""What an operator sets: `gateway.json` in the gateway's directory. All of it has a default.

    {
      "limits": {"device_entries": 100000},
      "buses": {"twelve volts": ["<device id>", "<device id>"]},
      "units": {"node/sensor/total/state": "kWh"},
      "edge": [{"channel": "tele/plug", "meter": "north:plug", "identity": "edge/plug"}]
    }

An edge device's identity is a folder with a `key.pem`, registered on the ledger with the role gateway; its meter is
registered there without a key.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.edge.signer import EdgeDevice
from gateway.limits import Limits
from ledgernode.client import Signer
from ledgernode.errors import BadRequest
from ledgernode.identity.keys import PrivateKey
from ledgernode.wire.types import ChainId

FILE = "gateway.json"


class EdgeSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device that cannot sign: its channel (as its format names it), its meter, who signs, and how often."""

    channel: str
    meter: str
    identity: str
    every_ms: int = 60_000


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limits: Limits = Limits()
    buses: dict[str, tuple[str, ...]] = {}
    units: dict[str, str] = {}
    edge: tuple[EdgeSetting, ...] = ()


def read_settings(directory: Path) -> Settings:
    """The defaults where there is no file. Refuses unknown names and wrong types."""
    path = directory / FILE
    if not path.exists():
        return Settings()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"{path}: {error}") from error


def edge_devices(directory: Path, settings: Settings, chain_id: ChainId) -> list[EdgeDevice]:
    """With their keys. Refuses a channel, meter or identity that is named twice, and keys open to others."""
    for what in ("channel", "meter", "identity"):
        named = [getattr(one, what) for one in settings.edge]
        if len(set(named)) != len(named):
            raise BadRequest(f"{FILE}: every edge device has a {what} of its own")
    return [
        EdgeDevice(
            one.channel,
            one.meter,
            Signer(PrivateKey.load(directory / one.identity / "key.pem"), chain_id=chain_id),
            one.every_ms,
        )
        for one in settings.edge
    ]
