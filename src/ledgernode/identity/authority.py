"""Certificate authorities: an organisation's offline root, its issuing authority, and what they certify.

A root certifies issuing authorities only; an issuing authority certifies members of its own
organisation only, for their requests. What these functions make, `identity.certificates` checks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledgernode.errors import BadCertificate
from ledgernode.identity import certificate_profile as profile
from ledgernode.identity.certificate_profile import Member, Purpose, ReadCertificate
from ledgernode.identity.key_file import PLAIN, Keeping, load_key
from ledgernode.identity.passphrase import Unlock, none_given
from ledgernode.identity.records import Role
from ledgernode.identity.signing import SigningKey

ROOT_DAYS: Final = 7_300
ISSUING_DAYS: Final = 3_650
MEMBER_DAYS: Final = 365
BACKDATE_MS: Final = 300_000
"""Validity begins a little before the moment of issue, for nodes whose clock is behind."""

DAY_MS: Final = 86_400_000
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}", re.ASCII)


@dataclass(frozen=True)
class CertificateAuthority:
    """A root or an issuing authority with its key. Lives in one directory and never leaves it."""

    organisation: str
    key: SigningKey
    certificate: str

    def save(self, directory: Path, keeping: Keeping = PLAIN) -> None:
        keeping.write(directory / "key.pem", self.key)
        (directory / "certificate.pem").write_text(self.certificate)

    @staticmethod
    def load(directory: Path, unlock: Unlock = none_given) -> CertificateAuthority:
        """Read key and certificate; refuses loose modes, and a certificate of another key."""
        key = load_key(directory / "key.pem", unlock)
        text = read_pem_file(directory / "certificate.pem")
        (read,) = profile.read_pem(text, 1)
        if read.public_key != key.public_key:
            raise BadCertificate(f"{directory}: certificate.pem is not of key.pem")
        return CertificateAuthority(read.organisation, key, text)


def create_root(
    organisation: str, *, now_ms: int, days: int = ROOT_DAYS, keeping: Keeping = PLAIN
) -> CertificateAuthority:
    """Make an organisation's self-signed root."""
    profile.require_organisation_name(organisation)
    key = keeping.make()
    subject = profile.authority_subject(organisation, "root", key.public_key)
    builder = _builder(subject, key.to_cryptography().public_key(), now_ms, now_ms + days * DAY_MS).issuer_name(subject)
    return CertificateAuthority(organisation, key, _sign(_as_authority(builder, 1), key))


def create_intermediate(
    root: CertificateAuthority, *, now_ms: int, days: int = ISSUING_DAYS, keeping: Keeping = PLAIN
) -> CertificateAuthority:
    """Make an issuing authority under the root; it ends with the root at the latest."""
    parent = _authority(root, 1)
    key = keeping.make()
    subject = profile.authority_subject(root.organisation, "issuing", key.public_key)
    builder = _under(parent, _builder(subject, key.to_cryptography().public_key(), now_ms, _end(parent, now_ms, days)))
    return CertificateAuthority(root.organisation, key, _sign(_as_authority(builder, 0), root.key))


def build_request(
    key: SigningKey,
    *,
    organisation: str,
    role: Role,
    name: str,
    attributes: Mapping[str, str] | None = None,
    purpose: Purpose = Purpose.SIGNING,
) -> str:
    """A PEM request that shows possession of the key; refuses names a certificate cannot carry."""
    member = Member(organisation, role, name, dict(attributes or {}), purpose)
    profile.require_member(member)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(profile.member_subject(member))
        .add_extension(profile.purpose_extension(purpose), critical=False)
    )
    if member.attributes:
        builder = builder.add_extension(profile.attributes_extension(member.attributes), critical=False)
    request = builder.sign(key.to_cryptography(), hashes.SHA256(), ecdsa_deterministic=True)
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_request(request_pem: str) -> tuple[Member, ec.EllipticCurvePublicKey]:
    """Whom a request names, and the key; refuses one that its own key did not sign."""
    try:
        request = x509.load_pem_x509_csr(request_pem.encode("ascii"))
        key = profile.require_p256(request.public_key())
        if not request.is_signature_valid:
            raise BadCertificate("the request is not signed by the key it asks for")
        return profile.read_member(request.subject, request.extensions), key
    except profile.UNREADABLE as error:
        raise BadCertificate("the request cannot be read (PEM, PKCS 10, made by this software)") from error


def issue(
    request_pem: str,
    issuing_ca: CertificateAuthority,
    *,
    now_ms: int,
    days: int = MEMBER_DAYS,
    tls_names: Sequence[str] = (),
) -> str:
    """Certify a request: PEM, leaf then issuing certificate.

    Refuses a request for another organisation, TLS names on a signing key, and an authority that is
    a root or has ended. The certificate ends with its authority at the latest.
    """
    member, key = read_request(request_pem)
    parent = _authority(issuing_ca, 0)
    if member.organisation != issuing_ca.organisation:
        raise BadCertificate(f"{issuing_ca.organisation} cannot certify a member of {member.organisation}")
    if tls_names and member.purpose is not Purpose.TLS:
        raise BadCertificate("TLS names belong on a TLS certificate, this request is for a signing key")
    builder = _under(parent, _builder(profile.member_subject(member), key, now_ms, _end(parent, now_ms, days)))
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(profile.usage_extension(authority=False), critical=True)
        .add_extension(profile.purpose_extension(member.purpose), critical=False)
    )
    if member.attributes:
        builder = builder.add_extension(profile.attributes_extension(member.attributes), critical=False)
    if tls_names:
        names = x509.SubjectAlternativeName([_tls_name(name) for name in tls_names])
        builder = builder.add_extension(names, critical=False)
    return _sign(builder, issuing_ca.key) + issuing_ca.certificate


def read_pem_file(path: Path) -> str:
    """The text of a public PEM file; refuses one that is missing or not text."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCertificate(f"{path} cannot be read as PEM text") from error


# ---------------------------------------------------------------- parts of issuing


def _authority(ca: CertificateAuthority, path_length: int) -> ReadCertificate:
    (read,) = profile.read_pem(ca.certificate, 1)
    if read.path_length != path_length:
        raise BadCertificate("a root certifies issuing authorities only, and these certify members only")
    return read


def _end(parent: ReadCertificate, now_ms: int, days: int) -> int:
    parent.require_valid(now_ms, "authority's certificate")
    return min(now_ms + days * DAY_MS, parent.not_after_ms)


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, now_ms: int, end_ms: int) -> x509.CertificateBuilder:
    if end_ms <= now_ms:
        raise BadCertificate("a certificate is valid for at least one day")
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(subject)
        .public_key(key)
        .not_valid_before(_moment(now_ms - BACKDATE_MS))
        .not_valid_after(_moment(end_ms))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _under(parent: ReadCertificate, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    identifier = parent.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return builder.issuer_name(parent.certificate.subject).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        profile.usage_extension(authority=True), critical=True
    )


def _sign(builder: x509.CertificateBuilder, key: SigningKey) -> str:
    return profile.pem(builder.sign(key.to_cryptography(), hashes.SHA256()))


def _moment(time_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(time_ms // 1_000, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadCertificate("the time of a certificate lies outside of the calendar") from error


def _tls_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name):
            raise BadCertificate(f"a TLS name is a host name or an IP address, not {name[:64]!r}") from None
        return x509.DNSName(name)
