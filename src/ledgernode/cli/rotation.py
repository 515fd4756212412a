"""The files of a key rotation: the next key, its certificate, and the proof that its holder has it."""

from __future__ import annotations

from pathlib import Path

from ledgernode.errors import BadCertificate
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.organisation import issuing_directory, sign_request
from ledgernode.identity.records import rotation_message
from ledgernode.wire.types import IdentityId

_KEY = "next-key.pem"
_CERTIFICATE = "next-certificate.pem"
_REQUEST = "next-request.pem"


def prepare(folder: Path, organisation: Path | None, now_ms: int) -> str | None:
    """The next key's certificate chain: there already, or signed now; None when it must be signed elsewhere."""
    if not (folder / _KEY).exists():
        member = read_certificate(read_pem_file(folder / "certificate.pem"))
        new_request(
            folder,
            organisation=member.organisation,
            role=member.role,
            name=member.name,
            attributes=member.attributes,
            rotation=True,
        )
    if not (folder / _CERTIFICATE).exists():
        if organisation is None or not (issuing_directory(organisation) / "key.pem").exists():
            return None
        place_certificate(folder, sign_request(organisation, read_pem_file(folder / _REQUEST), now_ms=now_ms))
    return read_pem_file(folder / _CERTIFICATE)


def next_key(folder: Path) -> PrivateKey:
    return PrivateKey.load(folder / _KEY)


def proof_of(folder: Path, identity: IdentityId) -> bytes:
    """The next key's signature over the rotation; refuses a certificate of another key."""
    key = next_key(folder)
    if read_certificate(read_pem_file(folder / _CERTIFICATE)).public_key != key.public_key:
        raise BadCertificate(f"{folder}: {_CERTIFICATE} is not of {_KEY}")
    return key.sign(rotation_message(identity, key.public_key))
