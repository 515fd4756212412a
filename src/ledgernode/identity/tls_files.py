"""The TLS files of a folder, and those that follow them: a node's `tls/` has no prefix, an identity's folder `tls-`."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from ledgernode.errors import BadCertificate
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificate_profile import Purpose, ReadCertificate, read_pem
from ledgernode.identity.identity_files import CERTIFICATE, finish_rotation, new_request
from ledgernode.identity.key_file import kept_as
from ledgernode.identity.passphrase import Unlock, none_given


def next_request(directory: Path, unlock: Unlock = none_given) -> Path:
    """The request for the next key, which is made if it is not there, and kept as the present one is."""
    prefix = _prefix(directory)
    path = directory / f"next-{prefix}request.pem"
    if not (directory / f"next-{prefix}key.pem").exists():
        member = _leaf(directory).member
        if member is None or member.purpose is not Purpose.TLS:
            raise BadCertificate(f"{directory} has no TLS certificate")
        new_request(
            directory,
            organisation=member.organisation,
            role=member.role,
            name=member.name,
            attributes=member.attributes,
            purpose=Purpose.TLS,
            prefix=f"next-{prefix}",
            keeping=kept_as(directory / f"{prefix}key.pem", unlock),
        )
    return path


def has_next_certificate(directory: Path) -> bool:
    return (directory / f"next-{_prefix(directory)}{CERTIFICATE}").exists()


def names(directory: Path) -> tuple[str, ...]:
    """Hosts and addresses of the certificate in use."""
    try:
        found = _leaf(directory).certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def take_next(directory: Path) -> None:
    """The next key, certificate and request take their places; who looks in between sees a pair that does not fit, and
    goes on with what it has."""
    prefix = _prefix(directory)
    request = directory / f"next-{prefix}request.pem"
    kept = request.read_text() if request.exists() else ""
    finish_rotation(directory, Purpose.TLS if prefix else Purpose.SIGNING)
    if kept:
        (directory / f"{prefix}request.pem").write_text(kept)


def _prefix(directory: Path) -> str:
    return "tls-" if (directory / "tls-key.pem").exists() or (directory / "old-tls-key.pem").exists() else ""


def _leaf(directory: Path) -> ReadCertificate:
    return read_pem(read_pem_file(directory / f"{_prefix(directory)}{CERTIFICATE}"), 2)[0]
