"""The utility's vending service as a process, with a kiosk as its one partner and a vending key that it alone has.

    customer  -- money -->  kiosk  -- POST /payments, signed, with a key -->  vending  -- token -->  gateway  -->  meter

What others reserve it mints as well: units that a house shares, units that come back because a neighbour was paid for
them. The key is drawn when the community is founded; meters leave the factory with theirs, derived from it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from gateway.http.devices import new_secret
from gateway.vending.keystore import add_key, read_passphrase
from gateway.vending.partners import FILE as PARTNERS
from gateway.vending.partners import Partner, PartnerFile, write_partners
from gateway.vending.settings import FILE as SETTINGS
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.sts.keys import VENDING_KEY_BYTES, KeyType, VendingKey
from living.carrier import VENDING, Carrier
from living.place import KEY_REVISION, SUPPLY_GROUP
from living.service import Service

KIOSK: Final = "kiosk"
"""The partner's name."""
_KEYS: Final = "keys.json"
_PASSPHRASE: Final = "passphrase"  # noqa: S105  # files that hold them
_KIOSK_SECRET: Final = "kiosk.secret"  # noqa: S105
_GATEWAY_SECRET: Final = "gateway.secret"  # noqa: S105
_PASSPHRASE_BYTES: Final = 24
_BOUNDS: Final = {"again_ms": 200, "courier_ms": 1_000, "look_ms": 5_000}
"""Hours of the community are minutes of ours: what is in trouble is tried again soon."""


def home_of(network: Path) -> Path:
    return network / "vending"


def found_vending(network: Path, kiosk: Path) -> VendingKey:
    """Its folder, with a new key in its store and the kiosk let in; answers the key, for the meters' factory."""
    directory = home_of(network)
    directory.mkdir()
    passphrase = directory / _PASSPHRASE
    create_secret(passphrase, secrets.token_hex(_PASSPHRASE_BYTES).encode())
    key = VendingKey(secrets.token_bytes(VENDING_KEY_BYTES))
    add_key(
        directory / _KEYS,
        read_passphrase(passphrase),
        supply_group=SUPPLY_GROUP,
        key_type=KeyType.UNIQUE,
        key_revision=KEY_REVISION,
        key=key,
    )
    secret, digest = new_secret()
    create_secret(directory / _KIOSK_SECRET, secret.encode())
    payer = os.path.relpath(kiosk, directory)
    write_partners(directory / PARTNERS, PartnerFile((Partner(KIOSK, "pos", digest, payer),)))
    return key


class VendingService(Service):
    """`ledgernode vending run` beside a network and its gateway; it signs by the network's simulated clock."""

    def __init__(self, network: Path, identity: Path, gateway: Carrier) -> None:
        directory = home_of(network)
        (directory / _GATEWAY_SECRET).unlink(missing_ok=True)
        create_secret(directory / _GATEWAY_SECRET, gateway.vending_secret.encode())
        told = {"url": gateway.url, "name": VENDING, "secret_file": _GATEWAY_SECRET}
        settings = {"utility": "north", "supply_group": SUPPLY_GROUP, "gateways": [told], "bounds": _BOUNDS}
        (directory / SETTINGS).write_bytes(msgspec.json.encode(settings))
        self.kiosk_secret = read_secret(directory / _KIOSK_SECRET).decode("ascii")
        command = ["vending", "run", str(directory), "--passphrase-file", str(directory / _PASSPHRASE)]
        command += ["--network", str(network), "--identity", str(identity)]
        command += ["--http", "127.0.0.1:0", "--http-plain", "loopback"]
        super().__init__("vending", directory, command)

    @property
    def url(self) -> str:
        """For partners, once it serves."""
        return f"http://127.0.0.1:{self.serving['http_port']}"
