"""Who sells: points of sale, banks, mobile money. Each has a secret, and an account on the ledger that pays.

`partners.json` in the directory is its owner's alone (0600):

    {"partners": [{"name": "kiosk-1", "kind": "pos", "secret_sha256": "…", "payer": "payers/kiosk-1",
                   "limit_minor": 1000000}]}

A partner has paid in before it sells: `payer` is the folder of an identity whose money buys the units; without one it
is the vending service's own. A partner that is taken out of the file is out with its next request.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.http.listed import require_names
from ledgernode.client import Signer
from ledgernode.errors import BadRequest
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.secret_file import create_secret, read_secret
from ledgernode.wire.types import IdentityId
from ledgernode.wire.unreadable import UNREADABLE

FILE: Final = "partners.json"
_ID_FILE: Final = "identity"


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`limit_minor` is the most of one payment; 0 is no limit but the ledger's."""

    name: str
    kind: Literal["pos", "bank", "mobile"]
    secret_sha256: str
    payer: str = ""
    limit_minor: int = 0

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.secret_sha256)


class PartnerFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    partners: tuple[Partner, ...] = ()


def read_partners(path: Path) -> PartnerFile:
    """Refuses a file that others can touch, unknown names, and a name that stands twice."""
    try:
        found = msgspec.json.decode(read_secret(path), type=PartnerFile)
    except UNREADABLE as error:
        raise BadRequest(f"{path}: {error}") from error
    require_names(path, found.partners)
    return found


def write_partners(path: Path, found: PartnerFile) -> None:
    """In place of what is there, at once or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    create_secret(beside, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    beside.replace(path)


def payer_of(directory: Path, partner: Partner, own: Signer) -> Signer:
    """Who pays what a partner sells."""
    if not partner.payer:
        return own
    folder = directory / partner.payer
    key, _ = load_identity(folder)
    kept = folder / _ID_FILE
    rotated = IdentityId(bytes.fromhex(kept.read_text(encoding="ascii").strip())) if kept.exists() else None
    return own.beside(key, rotated)
