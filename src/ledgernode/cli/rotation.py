"""The files of a key rotation: the next key, its certificate, and the proof that its holder has it."""

from __future__ import annotations

from pathlib import Path

from ledgernode.errors import BadCertificate
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.identity_files import new_request, place_certificate
from ledgernode.identity.key_file import Keeping, kept_as, load_key
from ledgernode.identity.organisation import issuing_directory, sign_request
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import rotation_message
from ledgernode.identity.signing import SigningKey
from ledgernode.wire.types import IdentityId

_KEY = "next-key.pem"
_CERTIFICATE = "next-certificate.pem"
_REQUEST = "next-request.pem"


def prepare(
    folder: Path, organisation: Path | None, now_ms: int, unlock: Unlock = none_given, uri: str = ""
) -> str | None:
    """The next key's certificate chain: there already, or signed now; None when it must be signed elsewhere.

    The next key is kept as the present one is; of a token it needs a name of its own.
    """
    if not (folder / _KEY).exists():
        member = read_certificate(read_pem_file(folder / "certificate.pem"))
        new_request(
            folder,
            organisation=member.organisation,
            role=member.role,
            name=member.name,
            attributes=member.attributes,
            rotation=True,
            keeping=Keeping(uri=uri) if uri else kept_as(folder / "key.pem", unlock),
        )
    if not (folder / _CERTIFICATE).exists():
        if organisation is None or not (issuing_directory(organisation) / "key.pem").exists():
            return None
        place_certificate(
            folder, sign_request(organisation, read_pem_file(folder / _REQUEST), now_ms=now_ms, unlock=unlock), unlock
        )
    return read_pem_file(folder / _CERTIFICATE)


def next_key(folder: Path, unlock: Unlock = none_given) -> SigningKey:
    return load_key(folder / _KEY, unlock)


def proof_of(folder: Path, identity: IdentityId, unlock: Unlock = none_given) -> bytes:
    """The next key's signature over the rotation; refuses a certificate of another key."""
    key = next_key(folder, unlock)
    if read_certificate(read_pem_file(folder / _CERTIFICATE)).public_key != key.public_key:
        raise BadCertificate(f"{folder}: {_CERTIFICATE} is not of {_KEY}")
    return key.sign(rotation_message(identity, key.public_key))
