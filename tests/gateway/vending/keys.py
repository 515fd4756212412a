"""A key store with the key of the published vectors."""

from __future__ import annotations

from pathlib import Path

from gateway.vending.keystore import add_key
from ledgernode.sts.keys import Secret, VendingKey

VENDING_KEY = VendingKey.from_hex("abababababababab949494949494949401234567")
PASSPHRASE = Secret(b"nineteen small otters")
SUPPLY_GROUP = "123457"


def key_store(directory: Path) -> Path:
    path = directory / "keys.json"
    add_key(path, PASSPHRASE, supply_group=SUPPLY_GROUP, key_type=2, key_revision=1, key=VENDING_KEY)
    return path


def passphrase_file(directory: Path) -> Path:
    path = directory / "passphrase"
    path.write_bytes(bytes(PASSPHRASE) + b"\n")
    path.chmod(0o600)
    return path
