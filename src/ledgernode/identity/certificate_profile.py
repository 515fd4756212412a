"""The form of the ledger's certificates: what may stand in one, and nothing else.

    root       O = organisation; CA, path length 1; self-signed
    issuing    O = organisation; CA, path length 0
    identity   O = organisation, OU = role, CN = name; purpose "ledger signing"; attributes
    TLS        O = organisation, OU = role, CN = name; purposes TLS server and client; DNS and IP names

All X.509 v3, P-256, ECDSA with SHA-256. Certificates are read while transactions execute, so every
node must come to the same answer: what is not of this form is refused whole, unknown extensions
included, and the words of a refusal are ours, never a library's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, SignatureAlgorithmOID

from ledgernode.errors import BadCertificate
from ledgernode.identity.keys import encode_public_key
from ledgernode.identity.records import Role
from ledgernode.wire.types import sha256

# an arc of our own, from a random UUID (ITU-T X.667)
_ARC: Final = "2.25.112997718740578301582657086527917027781"
ATTRIBUTES: Final = x509.ObjectIdentifier(f"{_ARC}.1")
SIGNING: Final = x509.ObjectIdentifier(f"{_ARC}.2")

ORGANISATION_FORM: Final = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
NAME_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ATTRIBUTES_LIMIT: Final = 32
ATTRIBUTES_BYTES: Final = 4_096
CHAIN_BYTES: Final = 32 * 1024

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TLS_PURPOSES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_MEMBER_SUBJECT: Final = [NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME]
_AUTHORITY_SUBJECT: Final = [NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME]
_SERIAL_BITS: Final = 160
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.AttributeNotFound,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""Everything the X.509 reader raises on bytes it does not like."""

_ATTRIBUTES_READER: Final = msgspec.json.Decoder(dict[str, str])
_AUTHORITY_EXTENSIONS: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    }
)
_MEMBER_EXTENSIONS: Final = _AUTHORITY_EXTENSIONS | {ExtensionOID.EXTENDED_KEY_USAGE, ATTRIBUTES}
_TLS_EXTENSIONS: Final = _MEMBER_EXTENSIONS | {ExtensionOID.SUBJECT_ALTERNATIVE_NAME}


class Purpose(StrEnum):
    """One key does one thing: what signs transactions never opens connections."""

    SIGNING = "signing"
    TLS = "tls"


class Member(msgspec.Struct, frozen=True):
    """Who a request or certificate speaks of."""

    organisation: str
    role: Role
    name: str
    attributes: dict[str, str]
    purpose: Purpose


class ReadCertificate(msgspec.Struct, frozen=True):
    """A certificate of the right form. Exactly one of `member` and `path_length` is set."""

    certificate: x509.Certificate
    organisation: str
    member: Member | None
    path_length: int | None
    public_key: bytes
    not_before_ms: int
    not_after_ms: int
    hash: str

    def covers(self, at_ms: int) -> bool:
        return self.not_before_ms <= at_ms <= self.not_after_ms

    def require_valid(self, at_ms: int, what: str) -> None:
        if at_ms < self.not_before_ms:
            raise BadCertificate(f"the {what} is not valid yet: it begins at {self.not_before_ms} ms")
        if at_ms > self.not_after_ms:
            raise BadCertificate(f"the {what} has ended, at {self.not_after_ms} ms")


# ---------------------------------------------------------------- writing


def member_subject(member: Member) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, member.organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, member.role),
            x509.NameAttribute(NameOID.COMMON_NAME, member.name),
        ]
    )


def authority_subject(organisation: str, kind: str, public_key: bytes) -> x509.Name:
    """The key's hash is in the name, so that overlapping roots of one organisation differ in it."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{kind} {sha256(public_key)[:4].hex()}"),
        ]
    )


def purpose_extension(purpose: Purpose) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([SIGNING] if purpose is Purpose.SIGNING else _TLS_PURPOSES)


def attributes_extension(attributes: dict[str, str]) -> x509.UnrecognizedExtension:
    """JSON in its one canonical form: sorted and compact."""
    return x509.UnrecognizedExtension(ATTRIBUTES, msgspec.json.encode(attributes, order="sorted"))


def usage_extension(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


# ---------------------------------------------------------------- reading


def require_member(member: Member) -> None:
    """Refuses an organisation, a name or attributes that a certificate cannot carry."""
    require_organisation_name(member.organisation)
    if not NAME_FORM.fullmatch(member.name):
        raise BadCertificate(f"a name has 1 to 64 letters, digits, '.', '_' or '-', not {member.name[:64]!r}")
    size = len(msgspec.json.encode(member.attributes))
    if len(member.attributes) > ATTRIBUTES_LIMIT or size > ATTRIBUTES_BYTES:
        raise BadCertificate(
            f"a certificate has at most {ATTRIBUTES_LIMIT} attributes of {ATTRIBUTES_BYTES} bytes in all"
        )


def require_organisation_name(name: str) -> None:
    if not ORGANISATION_FORM.fullmatch(name):
        raise BadCertificate(
            f"an organisation's name has 2 to 32 of a-z, 0-9 and '-', a letter first, not {name[:64]!r}"
        )


def read_pem(text: str, count: int) -> tuple[ReadCertificate, ...]:
    """Read exactly this many certificates and nothing else: no comment, no key between them."""
    if len(text) > CHAIN_BYTES:
        raise BadCertificate(f"a chain has at most {CHAIN_BYTES} bytes")
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except UNREADABLE as error:
        raise BadCertificate("the text is no PEM certificate") from error
    if len(found) != count:
        raise BadCertificate(f"{count} certificates are expected here, the text has {len(found)}")
    if "".join(pem(certificate) for certificate in found) != text:
        raise BadCertificate("the PEM text holds more than certificates, or is not as this software writes it")
    return tuple(read_form(certificate) for certificate in found)


def read_form(certificate: x509.Certificate) -> ReadCertificate:
    """Read a certificate of this form; refuses any other, with the reason."""
    try:
        return _read(certificate)
    except UNREADABLE as error:
        raise BadCertificate("the certificate cannot be read as one of this ledger") from error


def _read(certificate: x509.Certificate) -> ReadCertificate:
    if (
        certificate.version is not x509.Version.v3
        or certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256
    ):
        raise BadCertificate("a certificate is X.509 v3, signed by ECDSA with SHA-256")
    if not 0 < certificate.serial_number < 1 << _SERIAL_BITS:
        raise BadCertificate(f"a certificate's number is positive and has at most {_SERIAL_BITS} bits")
    public_key = encode_public_key(require_p256(certificate.public_key()))
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    authority = constraints.value.ca
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    if not constraints.critical or not usage.critical or usage.value != usage_extension(authority=authority):
        raise BadCertificate("a certificate's key is for signing certificates, or for signatures, and says so")
    subject = certificate.subject
    if authority:
        _require_extensions(certificate.extensions, _AUTHORITY_EXTENSIONS)
        member, (organisation, _) = None, _values(subject, _AUTHORITY_SUBJECT)
        require_organisation_name(organisation)
    else:
        member = read_member(subject, certificate.extensions)
        organisation = member.organisation
    return ReadCertificate(
        certificate=certificate,
        organisation=organisation,
        member=member,
        path_length=constraints.value.path_length if authority else None,
        public_key=public_key,
        not_before_ms=(certificate.not_valid_before_utc - _EPOCH) // _MILLISECOND,
        not_after_ms=(certificate.not_valid_after_utc - _EPOCH) // _MILLISECOND,
        hash=sha256(certificate.public_bytes(serialization.Encoding.DER)).hex(),
    )


def read_member(subject: x509.Name, extensions: x509.Extensions) -> Member:
    """Whom a request or a leaf names; refuses unknown roles, purposes and extensions."""
    purposes = frozenset(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    if purposes == {SIGNING}:
        purpose = Purpose.SIGNING
    elif purposes == frozenset(_TLS_PURPOSES):
        purpose = Purpose.TLS
    else:
        raise BadCertificate("a certificate is either for signing transactions, or for TLS as server and client")
    _require_extensions(extensions, _MEMBER_EXTENSIONS if purpose is Purpose.SIGNING else _TLS_EXTENSIONS)
    organisation, role, name = _values(subject, _MEMBER_SUBJECT)
    if role not in tuple(Role):
        raise BadCertificate(f"there is no role {role[:32]!r}; roles are {', '.join(Role)}")
    member = Member(
        organisation=organisation,
        role=Role(role),
        name=name,
        attributes=_read_attributes(extensions),
        purpose=purpose,
    )
    require_member(member)
    return member


def require_p256(key: object) -> ec.EllipticCurvePublicKey:
    """The key itself; refuses every other kind."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadCertificate("the key of a certificate is on curve P-256")
    return key


def _require_extensions(extensions: x509.Extensions, known: frozenset[x509.ObjectIdentifier]) -> None:
    for extension in extensions:
        if extension.oid not in known:
            raise BadCertificate(f"extension {extension.oid.dotted_string} is none of the ledger's")


def _values(subject: x509.Name, expected: list[x509.ObjectIdentifier]) -> list[str]:
    parts = list(subject)
    if [part.oid for part in parts] != expected:
        raise BadCertificate("a subject is O, OU (the role) and CN in this order, an authority's is O and CN")
    return [str(part.value) for part in parts]


def _read_attributes(extensions: x509.Extensions) -> dict[str, str]:
    raw = next((e.value.value for e in extensions if isinstance(e.value, x509.UnrecognizedExtension)), b"{}")
    try:
        attributes = _ATTRIBUTES_READER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadCertificate("the attributes are a JSON object of text by name") from error
    if msgspec.json.encode(attributes, order="sorted") != raw:
        raise BadCertificate("the attributes' JSON is not sorted and compact")
    return attributes
