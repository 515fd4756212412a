"""Certificates that the ledger's own software would never make, to see them refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledgernode.identity import certificate_profile as profile
from ledgernode.identity.certificate_profile import Purpose
from ledgernode.identity.certificates import CertificateAuthority, create_intermediate, create_root
from ledgernode.identity.keys import PrivateKey

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def name(organisation: str | None = "north", role: str | None = "meter", common: str | None = "m-1") -> x509.Name:
    """Parts that are None are left out."""
    parts = (
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, role),
        (NameOID.COMMON_NAME, common),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value is not None])


@dataclass
class Forgery:
    """A leaf as it should be, with every part open to change."""

    authority: CertificateAuthority
    subject: x509.Name = field(default_factory=name)
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ca: bool = False
    path_length: int | None = None
    usage: x509.KeyUsage | None = field(default_factory=lambda: profile.usage_extension(authority=False))
    critical: bool = True
    purposes: x509.ExtendedKeyUsage | None = field(default_factory=lambda: profile.purpose_extension(Purpose.SIGNING))
    extensions: tuple[x509.ExtensionType, ...] = ()
    hash: Any = field(default_factory=hashes.SHA256)
    signer: Any = None
    issuer: x509.Name | None = None
    from_ms: int = NOW_MS
    until_ms: int = NOW_MS + 30 * DAY_MS

    def certificate(self) -> str:
        above = x509.load_pem_x509_certificate(self.authority.certificate.encode())
        builder = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .subject_name(self.subject)
            .issuer_name(self.issuer or above.subject)
            .public_key(self.key.public_key())
            .not_valid_before(datetime.fromtimestamp(self.from_ms // 1_000, tz=UTC))
            .not_valid_after(datetime.fromtimestamp(self.until_ms // 1_000, tz=UTC))
            .add_extension(x509.BasicConstraints(self.ca, self.path_length), critical=self.critical)
        )
        if self.usage is not None:
            builder = builder.add_extension(self.usage, critical=self.critical)
        for extension in (self.purposes, *self.extensions):
            if extension is not None:
                builder = builder.add_extension(extension, critical=False)
        signed = builder.sign(self.signer or self.authority.key.to_cryptography(), self.hash)
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def chain(self) -> str:
        return self.certificate() + self.authority.certificate


def authorities(organisation: str = "north", now_ms: int = NOW_MS) -> tuple[CertificateAuthority, CertificateAuthority]:
    root = create_root(organisation, now_ms=now_ms)
    return root, create_intermediate(root, now_ms=now_ms)


def forged_authority(above: CertificateAuthority, **changes: Any) -> CertificateAuthority:
    """An authority made under another, with parts changed."""
    key = PrivateKey.generate()
    standard: dict[str, Any] = {
        "subject": name(above.organisation, None, "issuing"),
        "ca": True,
        "path_length": 0,
        "usage": profile.usage_extension(authority=True),
        "purposes": None,
        "extensions": (x509.SubjectKeyIdentifier.from_public_key(key.to_cryptography().public_key()),),
        "until_ms": NOW_MS + 300 * DAY_MS,
    }
    forgery = Forgery(above, key=key.to_cryptography(), **{**standard, **changes})
    return CertificateAuthority(above.organisation, key, forgery.certificate())
